import { whyNotMultiplied } from '../../base/processor.ts';
import type { Device, Engine } from '../../engines/engine.ts';
import { StillhouseError } from '../../protocol/errors.ts';
import { reason, type Reason } from '../../protocol/reasons.ts';
import type { Recipe } from '../../protocol/recipe.ts';
import type { Precision } from '../../trace/narrow.ts';

/**
 * Chooses the precision that `auto` means on this machine.
 * @throws StillhouseError `recipe.invalid` for one that would end the process, or that its device does not have.
 */
export function precisionOf({ precision }: Recipe, { device }: Pick<Engine, 'device'>): Precision {
  const accelerated = device.kind === 'accelerator';
  if (precision === 'auto') return device.bfloat16 ? 'bfloat16' : accelerated ? 'float16' : 'float32';
  const expected = accelerated ? whyNotAccelerated(precision, device) : whyNotMultiplied(precision);
  if (!expected) return precision;
  throw new StillhouseError('recipe.invalid', { key: 'precision', expected, got: JSON.stringify(precision) });
}

function whyNotAccelerated(precision: string, { name, tf32 }: Device): Reason | null {
  return precision === 'tf32' && !tf32 ? reason('value.no-tf32', { device: name }) : null;
}
