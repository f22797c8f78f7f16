import { reason, ReasonError } from '../../protocol/reasons.ts';

/** Makes the error of a file that is cut short. */
export function endsEarly(): ReasonError {
  return new ReasonError(reason('image.ends-early'));
}
