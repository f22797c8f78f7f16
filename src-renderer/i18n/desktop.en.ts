/** The words of what the window does beside others on a desktop. */
export const desktop = {
  allow: 'Tell me when it ends',
  ends: { finished: 'Run finished', failed: 'Run failed' },
};
