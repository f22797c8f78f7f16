import { StillhouseError, toPlainError } from '../protocol/errors.ts';
import type { ExportItem, ExportSize } from '../protocol/export.ts';
import { EXPORT_FORMAT_NAMES, EXPORT_FORMATS, isFolderFormat, nameEnd, type ExportFormat } from '../protocol/export-formats.ts'; // prettier-ignore
import { describeNetwork, type NetworkToWrite } from './export-network.ts';
import { FILE_WRITERS, FOLDER_WRITERS, type FileFormat, type FolderFormat } from './export-writers.ts';

/** Lists the bytes that a network takes in each format; no number of it is read. */
export function sizesOf(network: NetworkToWrite): ExportSize[] {
  return EXPORT_FORMAT_NAMES.map((format) => {
    try {
      return { format, bytes: bytesOf(network, format), refused: null };
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
      return { format, bytes: 0, refused: toPlainError(error) };
    }
  });
}

/** Counts the bytes of a network in one format. @throws StillhouseError `export.network` */
export function bytesOf(network: NetworkToWrite, format: ExportFormat): number {
  if (isFolderFormat(format))
    return FOLDER_WRITERS[format as FolderFormat](network).reduce((sum, { bytes }) => sum + bytes, 0);
  const beside = EXPORT_FORMATS[format].holdsAverage ? network.beside : undefined;
  return FILE_WRITERS[format as FileFormat](network.arrays, describeNetwork(network), beside).bytes;
}

/** Names an export by its network, where that stood in its training, and the size of its images where it is another. */
export function exportName(
  { model, stood, prepared }: NetworkToWrite,
  { format }: ExportItem,
  resized: boolean,
): string {
  const { inputSize, inputWidth = inputSize } = prepared;
  const parts = [
    model.name,
    ...(stood ? [`epoch-${String(stood.epoch).padStart(4, '0')}`] : []),
    ...(stood?.average ? ['average'] : []),
    ...(resized ? [`${inputSize}x${inputWidth}`] : []),
  ];
  return `${parts.join('-')}${nameEnd(format)}`;
}
