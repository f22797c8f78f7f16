module @jit__lambda attributes {mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {
  func.func public @main(%arg0: tensor<256x198x3x64xbf16>, %arg1: tensor<256x198x3x64xbf16>, %arg2: tensor<256x198x3x64xbf16>) -> (tensor<256x198x3x64xbf16> {jax.result_info = "result[0]"}, tensor<256x198x3x64xbf16> {jax.result_info = "result[1]"}, tensor<256x198x3x64xbf16> {jax.result_info = "result[2]"}) {
    %0 = stablehlo.dot_general %arg0, %arg1, batching_dims = [0, 2] x [0, 2], contracting_dims = [3] x [3], precision = [DEFAULT, DEFAULT] : (tensor<256x198x3x64xbf16>, tensor<256x198x3x64xbf16>) -> tensor<256x3x198x198xf32>
    %cst = stablehlo.constant dense<1.250000e-01> : tensor<f32>
    %1 = stablehlo.broadcast_in_dim %cst, dims = [] : (tensor<f32>) -> tensor<256x3x198x198xf32>
    %2 = stablehlo.multiply %0, %1 : tensor<256x3x198x198xf32>
    %cst_0 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %3 = stablehlo.reduce(%2 init: %cst_0) applies stablehlo.maximum across dimensions = [3] : (tensor<256x3x198x198xf32>, tensor<f32>) -> tensor<256x3x198xf32>
    %cst_1 = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %4 = stablehlo.broadcast_in_dim %cst_1, dims = [] : (tensor<f32>) -> tensor<256x3x198xf32>
    %5 = stablehlo.maximum %4, %3 : tensor<256x3x198xf32>
    %6 = stablehlo.broadcast_in_dim %5, dims = [0, 1, 2] : (tensor<256x3x198xf32>) -> tensor<256x3x198x1xf32>
    %7 = stablehlo.broadcast_in_dim %6, dims = [0, 1, 2, 3] : (tensor<256x3x198x1xf32>) -> tensor<256x3x198x198xf32>
    %8 = stablehlo.subtract %2, %7 : tensor<256x3x198x198xf32>
    %9 = stablehlo.exponential %8 : tensor<256x3x198x198xf32>
    %cst_2 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %10 = stablehlo.reduce(%9 init: %cst_2) applies stablehlo.add across dimensions = [3] : (tensor<256x3x198x198xf32>, tensor<f32>) -> tensor<256x3x198xf32>
    %11 = stablehlo.broadcast_in_dim %10, dims = [0, 1, 2] : (tensor<256x3x198xf32>) -> tensor<256x3x198x1xf32>
    %12 = stablehlo.broadcast_in_dim %11, dims = [0, 1, 2, 3] : (tensor<256x3x198x1xf32>) -> tensor<256x3x198x198xf32>
    %13 = stablehlo.divide %9, %12 : tensor<256x3x198x198xf32>
    %14 = stablehlo.multiply %11, %11 : tensor<256x3x198x1xf32>
    %cst_3 = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %15 = stablehlo.broadcast_in_dim %cst_3, dims = [] : (tensor<f32>) -> tensor<256x3x198x1xf32>
    %16 = stablehlo.divide %15, %14 : tensor<256x3x198x1xf32>
    %17 = stablehlo.convert %13 : (tensor<256x3x198x198xf32>) -> tensor<256x3x198x198xbf16>
    %18 = stablehlo.dot_general %arg2, %17, batching_dims = [0, 2] x [0, 1], contracting_dims = [1] x [3], precision = [DEFAULT, DEFAULT] : (tensor<256x198x3x64xbf16>, tensor<256x3x198x198xbf16>) -> tensor<256x3x64x198xbf16>
    %19 = stablehlo.transpose %18, dims = [0, 3, 1, 2] : (tensor<256x3x64x198xbf16>) -> tensor<256x198x3x64xbf16>
    %20 = stablehlo.convert %19 : (tensor<256x198x3x64xbf16>) -> tensor<256x198x3x64xf32>
    %cst_4 = stablehlo.constant dense<2.000000e+00> : tensor<f32>
    %21 = stablehlo.broadcast_in_dim %cst_4, dims = [] : (tensor<f32>) -> tensor<256x198x3x64xf32>
    %22 = stablehlo.multiply %21, %20 : tensor<256x198x3x64xf32>
    %cst_5 = stablehlo.constant dense<1.000000e+00> : tensor<f32>
    %23 = stablehlo.broadcast_in_dim %cst_5, dims = [] : (tensor<f32>) -> tensor<256x198x3x64xf32>
    %24 = stablehlo.multiply %23, %22 : tensor<256x198x3x64xf32>
    %25 = stablehlo.convert %24 : (tensor<256x198x3x64xf32>) -> tensor<256x198x3x64xbf16>
    %26 = stablehlo.transpose %25, dims = [0, 2, 3, 1] : (tensor<256x198x3x64xbf16>) -> tensor<256x3x64x198xbf16>
    %27 = stablehlo.dot_general %26, %arg2, batching_dims = [0, 1] x [0, 2], contracting_dims = [2] x [3], precision = [DEFAULT, DEFAULT] : (tensor<256x3x64x198xbf16>, tensor<256x198x3x64xbf16>) -> tensor<256x3x198x198xbf16>
    %28 = stablehlo.dot_general %26, %17, batching_dims = [0, 1] x [0, 1], contracting_dims = [3] x [2], precision = [DEFAULT, DEFAULT] : (tensor<256x3x64x198xbf16>, tensor<256x3x198x198xbf16>) -> tensor<256x3x64x198xbf16>
    %29 = stablehlo.transpose %28, dims = [0, 3, 1, 2] : (tensor<256x3x64x198xbf16>) -> tensor<256x198x3x64xbf16>
    %30 = stablehlo.convert %27 : (tensor<256x3x198x198xbf16>) -> tensor<256x3x198x198xf32>
    %31 = stablehlo.broadcast_in_dim %16, dims = [0, 1, 2, 3] : (tensor<256x3x198x1xf32>) -> tensor<256x3x198x198xf32>
    %32 = stablehlo.multiply %30, %31 : tensor<256x3x198x198xf32>
    %33 = stablehlo.multiply %32, %9 : tensor<256x3x198x198xf32>
    %cst_6 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %34 = stablehlo.reduce(%33 init: %cst_6) applies stablehlo.add across dimensions = [3] : (tensor<256x3x198x198xf32>, tensor<f32>) -> tensor<256x3x198xf32>
    %35 = stablehlo.reshape %34 : (tensor<256x3x198xf32>) -> tensor<256x3x198x1xf32>
    %36 = stablehlo.negate %35 : tensor<256x3x198x1xf32>
    %37 = stablehlo.broadcast_in_dim %11, dims = [0, 1, 2, 3] : (tensor<256x3x198x1xf32>) -> tensor<256x3x198x198xf32>
    %38 = stablehlo.divide %30, %37 : tensor<256x3x198x198xf32>
    %cst_7 = stablehlo.constant dense<0.000000e+00> : tensor<f32>
    %39 = stablehlo.reduce(%36 init: %cst_7) applies stablehlo.add across dimensions = [3] : (tensor<256x3x198x1xf32>, tensor<f32>) -> tensor<256x3x198xf32>
    %40 = stablehlo.broadcast_in_dim %39, dims = [0, 1, 2] : (tensor<256x3x198xf32>) -> tensor<256x3x198x198xf32>
    %41 = stablehlo.add %38, %40 : tensor<256x3x198x198xf32>
    %42 = stablehlo.multiply %41, %9 : tensor<256x3x198x198xf32>
    %cst_8 = stablehlo.constant dense<1.250000e-01> : tensor<f32>
    %43 = stablehlo.broadcast_in_dim %cst_8, dims = [] : (tensor<f32>) -> tensor<256x3x198x198xf32>
    %44 = stablehlo.multiply %42, %43 : tensor<256x3x198x198xf32>
    %45 = stablehlo.convert %44 : tensor<256x3x198x198xf32>
    %46 = stablehlo.convert %arg0 : (tensor<256x198x3x64xbf16>) -> tensor<256x198x3x64xf32>
    %47 = stablehlo.dot_general %45, %46, batching_dims = [0, 1] x [0, 2], contracting_dims = [2] x [1], precision = [DEFAULT, DEFAULT] : (tensor<256x3x198x198xf32>, tensor<256x198x3x64xf32>) -> tensor<256x3x198x64xf32>
    %48 = stablehlo.transpose %47, dims = [0, 2, 1, 3] : (tensor<256x3x198x64xf32>) -> tensor<256x198x3x64xf32>
    %49 = stablehlo.convert %48 : (tensor<256x198x3x64xf32>) -> tensor<256x198x3x64xbf16>
    %50 = stablehlo.convert %44 : tensor<256x3x198x198xf32>
    %51 = stablehlo.convert %arg1 : (tensor<256x198x3x64xbf16>) -> tensor<256x198x3x64xf32>
    %52 = stablehlo.dot_general %50, %51, batching_dims = [0, 1] x [0, 2], contracting_dims = [3] x [1], precision = [DEFAULT, DEFAULT] : (tensor<256x3x198x198xf32>, tensor<256x198x3x64xf32>) -> tensor<256x3x198x64xf32>
    %53 = stablehlo.transpose %52, dims = [0, 2, 1, 3] : (tensor<256x3x198x64xf32>) -> tensor<256x198x3x64xf32>
    %54 = stablehlo.convert %53 : (tensor<256x198x3x64xf32>) -> tensor<256x198x3x64xbf16>
    return %54, %49, %29 : tensor<256x198x3x64xbf16>, tensor<256x198x3x64xbf16>, tensor<256x198x3x64xbf16>
  }
}
