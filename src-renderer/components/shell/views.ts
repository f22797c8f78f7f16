/** The views in the order of the work; also the last part of their address. */
export const VIEWS = [
  'data',
  'recipe',
  'train',
  'checkpoints',
  'evaluate',
  'export',
  'engine',
  'weights',
  'studies',
] as const;
export type ViewName = (typeof VIEWS)[number];

/** Finds the view of an address fragment such as `#/recipe`; data for any other. */
export function viewOf(fragment: string): ViewName {
  return VIEWS.find((view) => fragment === `#/${view}`) ?? 'data';
}
