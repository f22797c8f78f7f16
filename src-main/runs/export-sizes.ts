import { shapeSize } from '../base/shape-size.ts';
import { StillhouseError, toPlainError } from '../protocol/errors.ts';
import type { ExportItem, ExportSize } from '../protocol/export.ts';
import { EXPORT_FORMAT_NAMES, EXPORT_FORMATS, isComputed, isFolderFormat, nameEnd, type ExportFormat } from '../protocol/export-formats.ts'; // prettier-ignore
import { describeNetwork, type NetworkToWrite } from './export-network.ts';
import { FILE_WRITERS, FOLDER_WRITERS, type FileFormat, type FolderFormat } from './export-writers.ts';

/** Lists the bytes that a network takes in each format; no number of it is read. */
export function sizesOf(network: NetworkToWrite): ExportSize[] {
  return EXPORT_FORMAT_NAMES.map((format) => {
    try {
      return { format, bytes: bytesOf(network, format), isExact: !isComputed(format), refused: null };
    } catch (error) {
      if (!(error instanceof StillhouseError)) throw error;
      return { format, bytes: 0, isExact: true, refused: toPlainError(error) };
    }
  });
}

/**
 * Counts the bytes of a network in one format; about, of one that is computed.
 * @throws StillhouseError `export.network`, `export.int8`
 */
export function bytesOf(network: NetworkToWrite, format: ExportFormat): number {
  const row = EXPORT_FORMATS[format];
  if ('computed' in row) {
    const { each, beside = 0 }: { each: number; beside?: number } = row.computed;
    if (format === 'onnx-int8' && network.model.attentionHeads === undefined)
      throw new StillhouseError('export.int8', { model: network.model.name });
    return Math.round(each * numbersIn(network) + beside);
  }
  if (isFolderFormat(format))
    return FOLDER_WRITERS[format as FolderFormat](network).reduce((sum, { bytes }) => sum + bytes, hubGraphs(network, format)); // prettier-ignore
  const beside = EXPORT_FORMATS[format].holdsAverage ? network.beside : undefined;
  return FILE_WRITERS[format as FileFormat](network.arrays, describeNetwork(network), beside).bytes;
}

/** The network as ONNX beside its weights, in float32, float16 and int8. */
function hubGraphs(network: NetworkToWrite, format: ExportFormat): number {
  return format === 'huggingface' ? Math.round((4 + 2 + 1.1) * numbersIn(network)) : 0;
}

function numbersIn({ arrays }: NetworkToWrite): number {
  return arrays.reduce((sum, { shape }) => sum + shapeSize(shape), 0);
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
