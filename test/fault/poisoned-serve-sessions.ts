/**
 * Stands in for workers/serve-sessions.js in the build of the `tls-thread` case (poisoned-build.ts): serves sessions as
 * the real one does, and dies of an error that nothing catches, or ends, after a random time.
 */

/** Shortest and longest life of a thread, ms. */
const SHORTEST = 300;
const LONGEST = 2_500;

setTimeout(
  () => {
    if (Math.random() < 0.5) process.exit(3);
    throw new Error('poison');
  },
  SHORTEST + Math.random() * (LONGEST - SHORTEST),
);

// By a name that only exists in that build.
await import(new URL('./serve-sessions-real.js', import.meta.url).href);
