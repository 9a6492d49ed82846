/** Waiting for several things, and for no longer than a while. */

/** Waits for all, then throws the first failure: nothing may still be under way when a batch is refused. */
export async function allSettledOrThrow(all: readonly Promise<void>[]): Promise<void> {
  for (const settled of await Promise.allSettled(all)) if (settled.status === 'rejected') throw settled.reason;
}

/** Waits for `work` to resolve, `milliseconds` at most. Rejects as it does. */
export async function withDeadline(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, deadline]);
  clearTimeout(timer);
}
