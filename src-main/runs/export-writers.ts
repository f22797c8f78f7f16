import type { FileToWrite } from '../base/folder.ts';
import type { ArrayToWrite } from '../formats/named-array.ts';
import { safetensorsBytes, writeSafetensors } from '../formats/safetensors.ts';
import { torchFileBytes, writeTorchFile, type TorchFileOptions } from '../formats/torch-writer.ts';
import type { ExportFormat } from '../protocol/export-formats.ts';
import type { Description, NetworkToWrite } from './export-network.ts';
import { huggingFaceFolder, timmFolder } from './hub-folder.ts';

/** A file as pieces, with the bytes that they make together. */
interface Written {
  chunks: Iterable<Uint8Array>;
  bytes: number;
}

/**
 * Makes a file of one format.
 * @param average the arrays of the moving average, only for a format whose row says `holdsAverage`.
 */
type FileWriter = (arrays: readonly ArrayToWrite[], facts: Description, average?: ArrayToWrite[]) => Written;

export type FolderFormat = 'timm' | 'huggingface';
export type FileFormat = 'safetensors' | 'pth';
/** Formats of weights: the others are written by a job process, which records the network. */
export type WeightsFormat = FileFormat | FolderFormat;

/** Writes each format of `protocol/export-formats.ts` that is a file. */
export const FILE_WRITERS: Readonly<Record<FileFormat, FileWriter>> = {
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

/** Tells whether a format is one of weights. */
export function isWeightsFormat(format: ExportFormat): format is WeightsFormat {
  return format in FILE_WRITERS || format in FOLDER_WRITERS;
}

/** Lists the files of each format that is a folder. @throws StillhouseError `export.network` */
export const FOLDER_WRITERS: Readonly<Record<FolderFormat, (network: NetworkToWrite) => FileToWrite[]>> = {
  timm: timmFolder,
  huggingface: huggingFaceFolder,
};
