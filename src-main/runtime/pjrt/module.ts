import type { DType } from '../dtypes.ts';

/**
 * A program as StableHLO, with what is needed to run it: plain data, without handles. `engines/pjrt/stablehlo` writes
 * it from a recorded program, `runtime/pjrt` compiles and runs it.
 */
export interface StableHloModule {
  /** The module as MLIR text. Its public function `main` takes `inputs` and gives `outputs`, in order. */
  mlir: string;
  /**
   * How many devices run it together, each with arguments of its own. The text is that of the whole batch; XLA parts it
   * between them (`num_partitions`) by the sharding that is written at its arguments.
   */
  replicas: number;
  /** Variables first. */
  inputs: ModuleInput[];
  /** New values of variables first. */
  outputs: ModuleOutput[];
}

export interface ModuleInput {
  name: string;
  /** As one device takes it. */
  shape: number[];
  dtype: DType;
  /** Whether it is a variable, kept on the device between runs, and not fed at each run. */
  variable: boolean;
  /** Whether a run uses up its buffer: the output of the same name, also a variable, has its memory. */
  donated: boolean;
  /** The axis along which a fed value is parted between the devices, in equal parts; null: each gets the whole. */
  split: number | null;
}

export interface ModuleOutput {
  name: string;
  /** As one device gives it. */
  shape: number[];
  dtype: DType;
  /** Whether it is the new value of the variable of this name, and not a result to read. */
  variable: boolean;
  /**
   * The axis along which the parts of the devices make the whole value; null: each device has the whole, and all have
   * the same.
   */
  split: number | null;
}
