import { reason } from '../protocol/reasons.ts';
import path from 'node:path';
import { StillhouseError } from '../protocol/errors.ts';
import { foreign } from '../base/foreign.ts';
import { loadForGood, platform } from './loader.ts';

/**
 * The C API of the TensorFlow library, called by FFI. The only file that knows a C function. Pointers are bigints;
 * whoever gets one frees it.
 *
 * To add a function: "A function of the TensorFlow library" in docs/adding.md.
 */
export type Pointer = bigint;

const SIGNATURES = {
  TF_Version: 'const char *TF_Version(void)',
  TF_NewStatus: 'void *TF_NewStatus(void)',
  TF_GetCode: 'int TF_GetCode(void *status)',
  TF_Message: 'const char *TF_Message(void *status)',
  TF_DeleteStatus: 'void TF_DeleteStatus(void *status)',
  TF_SetStatus: 'void TF_SetStatus(void *status, int code, const char *message)',
  TF_AllocateTensor: 'void *TF_AllocateTensor(int dtype, const void *dims, int num_dims, size_t len)',
  TF_DeleteTensor: 'void TF_DeleteTensor(void *tensor)',
  TF_TensorData: 'void *TF_TensorData(void *tensor)',
  TF_StringInit: 'void TF_StringInit(void *tstring)',
  TF_StringCopy: 'void TF_StringCopy(void *tstring, const void *src, size_t size)',
  TF_StringGetDataPointer: 'void *TF_StringGetDataPointer(void *tstring)',
  TF_StringGetSize: 'size_t TF_StringGetSize(void *tstring)',
  TF_StringDealloc: 'void TF_StringDealloc(void *tstring)',
  TFE_NewContextOptions: 'void *TFE_NewContextOptions(void)',
  TFE_ContextOptionsSetConfig:
    'void TFE_ContextOptionsSetConfig(void *opts, const void *proto, size_t len, void *status)',
  TFE_DeleteContextOptions: 'void TFE_DeleteContextOptions(void *opts)',
  TFE_NewContext: 'void *TFE_NewContext(void *opts, void *status)',
  TFE_EnableCollectiveOps: 'void TFE_EnableCollectiveOps(void *ctx, const void *proto, size_t len, void *status)',
  TFE_AbortCollectiveOps: 'void TFE_AbortCollectiveOps(void *ctx, void *status)',
  TFE_ContextListDevices: 'void *TFE_ContextListDevices(void *ctx, void *status)',
  TFE_ContextAddFunction: 'void TFE_ContextAddFunction(void *ctx, void *func, void *status)',
  TFE_ContextRemoveFunction: 'void TFE_ContextRemoveFunction(void *ctx, const char *name, void *status)',
  TF_DeviceListCount: 'int TF_DeviceListCount(void *list)',
  TF_DeviceListName: 'const char *TF_DeviceListName(void *list, int index, void *status)',
  TF_DeviceListType: 'const char *TF_DeviceListType(void *list, int index, void *status)',
  TF_DeviceListMemoryBytes: 'int64_t TF_DeviceListMemoryBytes(void *list, int index, void *status)',
  TF_DeleteDeviceList: 'void TF_DeleteDeviceList(void *list)',
  TFE_NewTensorHandle: 'void *TFE_NewTensorHandle(void *tensor, void *status)',
  TFE_DeleteTensorHandle: 'void TFE_DeleteTensorHandle(void *handle)',
  TFE_TensorHandleDataType: 'int TFE_TensorHandleDataType(void *handle)',
  TFE_TensorHandleNumDims: 'int TFE_TensorHandleNumDims(void *handle, void *status)',
  TFE_TensorHandleDim: 'int64_t TFE_TensorHandleDim(void *handle, int index, void *status)',
  TFE_TensorHandleResolve: 'void *TFE_TensorHandleResolve(void *handle, void *status)',
  TFE_NewOp: 'void *TFE_NewOp(void *ctx, const char *name, void *status)',
  TFE_DeleteOp: 'void TFE_DeleteOp(void *op)',
  TFE_OpAddInput: 'void TFE_OpAddInput(void *op, void *handle, void *status)',
  TFE_OpSetAttrString: 'void TFE_OpSetAttrString(void *op, const char *name, const void *value, size_t len)',
  TFE_OpSetAttrInt: 'void TFE_OpSetAttrInt(void *op, const char *name, int64_t value)',
  TFE_OpSetAttrFloat: 'void TFE_OpSetAttrFloat(void *op, const char *name, float value)',
  TFE_OpSetAttrBool: 'void TFE_OpSetAttrBool(void *op, const char *name, unsigned char value)',
  TFE_OpSetAttrType: 'void TFE_OpSetAttrType(void *op, const char *name, int value)',
  TFE_OpSetAttrShape: 'void TFE_OpSetAttrShape(void *op, const char *name, const void *dims, int n, void *status)',
  TFE_OpSetAttrFunctionName:
    'void TFE_OpSetAttrFunctionName(void *op, const char *name, const char *value, size_t len)',
  TFE_OpSetAttrStringList:
    'void TFE_OpSetAttrStringList(void *op, const char *name, const char **values, const void *lengths, int n)',
  TFE_OpSetAttrIntList: 'void TFE_OpSetAttrIntList(void *op, const char *name, const void *values, int n)',
  TFE_OpSetAttrFloatList: 'void TFE_OpSetAttrFloatList(void *op, const char *name, const void *values, int n)',
  TFE_OpSetAttrTypeList: 'void TFE_OpSetAttrTypeList(void *op, const char *name, const void *values, int n)',
  TFE_Execute: 'void TFE_Execute(void *op, void *retvals, void *num_retvals, void *status)',
  TF_NewGraph: 'void *TF_NewGraph(void)',
  TF_DeleteGraph: 'void TF_DeleteGraph(void *graph)',
  TF_NewOperation: 'void *TF_NewOperation(void *graph, const char *op, const char *name)',
  TF_AddInput: 'void TF_AddInput(void *desc, TF_Output input)',
  TF_AddInputList: 'void TF_AddInputList(void *desc, const TF_Output *inputs, int n)',
  TF_AddControlInput: 'void TF_AddControlInput(void *desc, void *oper)',
  TF_SetAttrString: 'void TF_SetAttrString(void *desc, const char *name, const void *value, size_t len)',
  TF_SetAttrInt: 'void TF_SetAttrInt(void *desc, const char *name, int64_t value)',
  TF_SetAttrFloat: 'void TF_SetAttrFloat(void *desc, const char *name, float value)',
  TF_SetAttrBool: 'void TF_SetAttrBool(void *desc, const char *name, unsigned char value)',
  TF_SetAttrType: 'void TF_SetAttrType(void *desc, const char *name, int value)',
  TF_SetAttrShape: 'void TF_SetAttrShape(void *desc, const char *name, const void *dims, int n)',
  TF_SetAttrStringList:
    'void TF_SetAttrStringList(void *desc, const char *name, const char **values, const void *lengths, int n)',
  TF_SetAttrIntList: 'void TF_SetAttrIntList(void *desc, const char *name, const void *values, int n)',
  TF_SetAttrFloatList: 'void TF_SetAttrFloatList(void *desc, const char *name, const void *values, int n)',
  TF_SetAttrTypeList: 'void TF_SetAttrTypeList(void *desc, const char *name, const void *values, int n)',
  TF_SetAttrTensor: 'void TF_SetAttrTensor(void *desc, const char *name, void *tensor, void *status)',
  TF_SetAttrFuncName: 'void TF_SetAttrFuncName(void *desc, const char *name, const char *value, size_t len)',
  TF_FinishOperation: 'void *TF_FinishOperation(void *desc, void *status)',
  TF_OperationOutputType: 'int TF_OperationOutputType(TF_Output output)',
  TF_GraphGetTensorNumDims: 'int TF_GraphGetTensorNumDims(void *graph, TF_Output output, void *status)',
  TF_GraphGetTensorShape:
    'void TF_GraphGetTensorShape(void *graph, TF_Output output, void *dims, int num_dims, void *status)',
  TF_GraphToFunctionWithControlOutputs:
    'void *TF_GraphToFunctionWithControlOutputs(void *graph, const char *name, unsigned char append_hash, ' +
    'int num_opers, const void *opers, int ninputs, const TF_Output *inputs, int noutputs, ' +
    'const TF_Output *outputs, const void *output_names, int ncontrol, const void *control, ' +
    'const void *control_names, void *opts, const char *description, void *status)',
  TF_FunctionSetAttrValueProto:
    'void TF_FunctionSetAttrValueProto(void *func, const char *name, const void *proto, size_t length, void *status)',
  TF_DeleteFunction: 'void TF_DeleteFunction(void *func)',
  TF_NewSessionOptions: 'void *TF_NewSessionOptions(void)',
  TF_SetConfig: 'void TF_SetConfig(void *options, const void *proto, size_t length, void *status)',
  TF_DeleteSessionOptions: 'void TF_DeleteSessionOptions(void *options)',
  TF_LoadSessionFromSavedModel:
    'void *TF_LoadSessionFromSavedModel(void *options, const void *run_options, const char *folder, ' +
    'const char **tags, int ntags, void *graph, void *meta_graph, void *status)',
  TF_GraphOperationByName: 'void *TF_GraphOperationByName(void *graph, const char *name)',
  TF_SessionRun:
    'void TF_SessionRun(void *session, const void *run_options, const TF_Output *inputs, const void *input_values, ' +
    'int ninputs, const TF_Output *outputs, void *output_values, int noutputs, const void *targets, int ntargets, ' +
    'void *run_metadata, void *status)',
  TF_CloseSession: 'void TF_CloseSession(void *session, void *status)',
  TF_DeleteSession: 'void TF_DeleteSession(void *session, void *status)',
  TF_TensorType: 'int TF_TensorType(void *tensor)',
  TF_NumDims: 'int TF_NumDims(void *tensor)',
  TF_Dim: 'int64_t TF_Dim(void *tensor, int index)',
} as const;

/**
 * TensorFlow's own profiler. No C function reaches it, so these are C++, by the names that the pinned build gives them.
 * What returns an object returns a struct here, too large for registers: so each system passes the place for it where
 * its rules say, `this` being the second argument on x86-64 and the first on ARM.
 */
const PROFILER_SIGNATURES = {
  newOptions: 'void _ZN10tensorflow14ProfileOptionsC1EPN6google8protobuf5ArenaE(void *place, void *arena)',
  deleteOptions: 'void _ZN10tensorflow14ProfileOptionsD1Ev(void *options)',
  parse:
    'unsigned char _ZN6google8protobuf11MessageLite14ParseFromArrayEPKvi(void *message, const void *bytes, int size)',
  start: 'TF_Returned _ZN3tsl15ProfilerSession6CreateERKN10tensorflow14ProfileOptionsE(void *options)',
  collect:
    'TF_Returned _ZN3tsl15ProfilerSession11CollectDataEPN10tensorflow8profiler6XSpaceE(void *session, void *space)',
  deleteSession: 'void _ZN3tsl15ProfilerSessionD1Ev(void *session)',
  newSpace: 'void _ZN10tensorflow8profiler6XSpaceC1EPN6google8protobuf5ArenaE(void *place, void *arena)',
  deleteSpace: 'void _ZN10tensorflow8profiler6XSpaceD1Ev(void *space)',
  serialize:
    'unsigned char _ZNK6google8protobuf11MessageLite16SerializeToArrayEPvi(void *message, void *bytes, int size)',
  size: 'int _ZNK6google8protobuf11MessageLite13GetCachedSizeEv(void *message)',
} as const;

const LIBC_SIGNATURES = {
  copyIn: 'void *memcpy(void *to, const void *from, size_t bytes)',
  malloc: 'void *malloc(size_t bytes)',
  free: 'void free(void *block)',
  mallopt: 'int mallopt(int param, int value)',
  mallocTrim: 'int malloc_trim(size_t pad)',
} as const;

/** A native function; `async` runs it on a worker thread and calls back. */
export interface NativeFunction {
  (...args: any[]): any;
  async(...args: any[]): void;
}

export type TfFunctions = { [Name in keyof typeof SIGNATURES]: NativeFunction };
export type LibcFunctions = { [Name in keyof typeof LIBC_SIGNATURES]: NativeFunction };
export type ProfilerFunctions = { [Name in keyof typeof PROFILER_SIGNATURES]: NativeFunction };

/** One output of a graph operation, as `TF_Output`. */
export interface GraphOutput {
  oper: Pointer;
  index: number;
}

/** The loaded library: every C function by its name, libc's few, and the profiler's. */
export interface Tf extends TfFunctions {
  libc: LibcFunctions;
  profiler: ProfilerFunctions;
}

let loaded: { folder: string; tf: Tf } | undefined;

const M_TRIM_THRESHOLD = -1;
const M_TOP_PAD = -2;
const M_MMAP_THRESHOLD = -3;

/**
 * Loads TensorFlow from `folder`, once a process.
 * @throws StillhouseError `engine.load` when the files are missing, damaged or refused by the loader.
 */
export function loadLibrary(folder: string): Tf {
  if (loaded?.folder === folder) return loaded.tf;
  if (loaded)
    throw new StillhouseError('engine.load', { reason: reason('engine.other-loaded', { folder: loaded.folder }) });
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  const koffi = foreign();
  const { libc: libcName, tensorflow, framework: frameworkName, glibc } = platform();
  koffi.struct('TF_Output', { oper: 'void *', index: 'int' });
  koffi.struct('TF_Returned', { value: 'uint64_t', second: 'uint64_t', third: 'uint64_t' });
  const libc = bind<LibcFunctions>(koffi.load(libcName), LIBC_SIGNATURES);
  if (glibc) keepBigBlocks(libc);
  const file = path.join(folder, tensorflow);
  loadForGood(file);
  // Loaded with the other; the profiler's names are this one's.
  const framework = koffi.load(path.join(folder, frameworkName));
  const profiler = bind<ProfilerFunctions>(framework, PROFILER_SIGNATURES);
  const tf = Object.assign(bind<TfFunctions>(koffi.load(file), SIGNATURES), { libc, profiler });
  loaded = { folder, tf };
  return tf;
}

/** Keeps glibc from returning big blocks to the system after each step: page faults cost a tenth of a step. */
function keepBigBlocks(libc: LibcFunctions): void {
  libc.mallopt(M_MMAP_THRESHOLD, 1 << 30);
  libc.mallopt(M_TRIM_THRESHOLD, 0x7fffffff);
  libc.mallopt(M_TOP_PAD, 64 << 20);
}

/** Gives free blocks back to the system, once: what files were read into is of no use to TensorFlow, whose tensors come from a pool of their own. */
export function giveBackFree({ libc }: Pick<Tf, 'libc'>): void {
  if (platform().glibc) libc.mallocTrim(0);
}

function bind<Functions>(
  library: { func(signature: string): NativeFunction },
  signatures: Record<string, string>,
): Functions {
  const functions: Record<string, NativeFunction> = {};
  for (const [name, signature] of Object.entries(signatures)) {
    // Bound at first use: 80 signatures cost 10 ms to parse, and a process needs few of them.
    let bound: NativeFunction | undefined;
    const lazy = (...args: any[]) => (bound ??= library.func(signature))(...args);
    lazy.async = (...args: any[]) => (bound ??= library.func(signature)).async(...args);
    functions[name] = lazy;
  }
  return functions as Functions;
}

/** Runs `body` with a fresh status, then throws `engine.op` with `what` as its name when TensorFlow refused. */
export function checked<Result>(tf: Tf, what: string, body: (status: Pointer) => Result): Result {
  const status: Pointer = tf.TF_NewStatus();
  try {
    const result = body(status);
    throwIfBad(tf, what, status);
    return result;
  } finally {
    tf.TF_DeleteStatus(status);
  }
}

/** Throws `engine.op` when `status` holds an error. */
export function throwIfBad(tf: Tf, what: string, status: Pointer): void {
  if (tf.TF_GetCode(status) !== 0) {
    throw new StillhouseError('engine.op', { op: what, reason: String(tf.TF_Message(status)) });
  }
}
