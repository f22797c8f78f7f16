import type { Pointer, Tf } from './library.ts';
import { ATTR, type Attr } from './dtypes.ts';

/** Sets attributes on an eager op (`TFE_Op…`) or on a graph operation being built (`TF_…`), by one table. */
export function setAttr(tf: Tf, kind: 'eager' | 'graph', target: Pointer, attr: Attr, status: Pointer): void {
  const { name, value } = attr;
  const eager = kind === 'eager';
  switch (attr.type) {
    case ATTR.string: {
      if (Array.isArray(value)) {
        const lengths = BigUint64Array.from(value as string[], (text) => BigInt(Buffer.byteLength(text)));
        (eager ? tf.TFE_OpSetAttrStringList : tf.TF_SetAttrStringList)(target, name, value, lengths, value.length);
        return;
      }
      const bytes = Buffer.from(String(value));
      (eager ? tf.TFE_OpSetAttrString : tf.TF_SetAttrString)(target, name, bytes, bytes.length);
      return;
    }
    case ATTR.int:
      if (Array.isArray(value)) {
        const list = BigInt64Array.from(value as number[], BigInt);
        (eager ? tf.TFE_OpSetAttrIntList : tf.TF_SetAttrIntList)(target, name, list, list.length);
      } else (eager ? tf.TFE_OpSetAttrInt : tf.TF_SetAttrInt)(target, name, value);
      return;
    case ATTR.float:
      if (Array.isArray(value)) {
        const list = Float32Array.from(value as number[]);
        (eager ? tf.TFE_OpSetAttrFloatList : tf.TF_SetAttrFloatList)(target, name, list, list.length);
      } else (eager ? tf.TFE_OpSetAttrFloat : tf.TF_SetAttrFloat)(target, name, value);
      return;
    case ATTR.bool:
      (eager ? tf.TFE_OpSetAttrBool : tf.TF_SetAttrBool)(target, name, value ? 1 : 0);
      return;
    case ATTR.type:
      if (Array.isArray(value)) {
        const list = Int32Array.from(value as number[]);
        (eager ? tf.TFE_OpSetAttrTypeList : tf.TF_SetAttrTypeList)(target, name, list, list.length);
      } else (eager ? tf.TFE_OpSetAttrType : tf.TF_SetAttrType)(target, name, value);
      return;
    case ATTR.shape: {
      const dims = BigInt64Array.from(value as number[], BigInt);
      if (eager) tf.TFE_OpSetAttrShape(target, name, dims, dims.length, status);
      else tf.TF_SetAttrShape(target, name, dims, dims.length);
      return;
    }
    case ATTR.func: {
      if (eager) tf.TFE_OpSetAttrFunctionName(target, name, String(value), Buffer.byteLength(String(value)));
      else tf.TF_SetAttrFuncName(target, name, String(value), Buffer.byteLength(String(value)));
      return;
    }
    default:
      throw new RangeError(`setAttr: ${name} has the unsupported attribute type ${attr.type}`);
  }
}
