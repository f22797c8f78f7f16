import type { ArrayToWrite } from '../formats/named-array.ts';
import type { PickleData } from '../formats/pickle-writer.ts';
import { safetensorsBytes, writeSafetensors } from '../formats/safetensors.ts';
import { torchFileBytes, writeTorchFile, type TorchFileOptions } from '../formats/torch-writer.ts';
import type { ExportFormat } from '../protocol/export-formats.ts';

/** Facts about a network, by timm's words, that lie in the file beside its arrays. */
export type Description = Record<string, PickleData>;

/** A file as pieces, with the bytes that they make together. */
interface Written {
  chunks: Iterable<Uint8Array>;
  bytes: number;
}

/**
 * Makes a file of one format.
 * @param average the arrays of the moving average, only for a format whose row says `holdsAverage`.
 */
type Writer = (arrays: readonly ArrayToWrite[], facts: Description, average?: ArrayToWrite[]) => Written;

/** Writes each format of `protocol/export-formats.ts`. */
export const EXPORT_WRITERS: Readonly<Record<ExportFormat, Writer>> = {
  safetensors: (arrays, facts) => {
    const texts = Object.entries(facts).map(([key, fact]) => [key, typeof fact === 'string' ? fact : JSON.stringify(fact)]); // prettier-ignore
    // Other readers look for `format: pt`: the layouts are those of torch.
    const metadata = { format: 'pt', ...(Object.fromEntries(texts) as Record<string, string>) };
    return { chunks: writeSafetensors(arrays, metadata), bytes: safetensorsBytes(arrays, metadata) };
  },
  pth: (arrays, facts, average) => {
    // With an average the file is laid out like DeiT's own checkpoints.
    const options: TorchFileOptions = { metadata: facts, ...(average && { wrap: 'model', average }) };
    return { chunks: writeTorchFile(arrays, options), bytes: torchFileBytes(arrays, options) };
  },
};
