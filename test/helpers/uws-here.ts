/**
 * Whether uWebSockets.js loads on this machine and Node: '' when it does, else why not. Tests of HTTP that need it say so
 * in their name where they are left out.
 */
export const uwsProblem: string = await import('uWebSockets.js').then(
  () => '',
  (thrown: unknown) => String(thrown).replaceAll(/\s+/g, ' '),
);
