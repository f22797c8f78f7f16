import { bytesField, message, textField, varintField } from '../../formats/protobuf-writer.ts';

/** XLA's own flags, by name, for one program. */
export type XlaFlags = Readonly<Record<string, string | boolean | number>>;

export interface CompileOptions {
  /** How many devices run the program together, each on arguments of its own. */
  replicas?: number;
  /** Between how many devices XLA parts the program. */
  partitions?: number;
  flags?: XlaFlags;
}

// Fields of CompileOptionsProto, and those of the messages inside it.
const BUILD_OPTIONS = 3;
const REPLICAS = 4;
const PARTITIONS = 5;
const PARTED = 6;
const OVERRIDES = 7;
const MAP_KEY = 1;
const MAP_VALUE = 2;
const STRING_VALUE = 1;
const BOOL_VALUE = 2;
const INT_VALUE = 3;

/** Serialises XLA's CompileOptionsProto. */
export function compileOptions({ replicas = 1, partitions = 1, flags = {} }: CompileOptions = {}): Uint8Array {
  const parted = partitions > 1 ? [varintField(PARTED, 1)] : [];
  const counts = [varintField(REPLICAS, replicas), varintField(PARTITIONS, partitions)];
  const build = bytesField(BUILD_OPTIONS, message([...counts, ...parted]));
  const overrides = Object.entries(flags).map(([name, value]) =>
    bytesField(OVERRIDES, message([textField(MAP_KEY, name), bytesField(MAP_VALUE, override(value))])),
  );
  return Uint8Array.from(message([build, ...overrides]));
}

function override(value: string | boolean | number): Uint8Array {
  if (typeof value === 'string') return textField(STRING_VALUE, value);
  return varintField(typeof value === 'boolean' ? BOOL_VALUE : INT_VALUE, Number(value));
}
