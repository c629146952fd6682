/** Two cores: two guests at a time. */
const lanes = 2

/** Repeats work in each lane until it returns false. Waits for both lanes, then throws the first failure. */
export async function sideBySide(work: () => Promise<boolean>): Promise<void> {
  const lane = async (): Promise<void> => {
    while (await work());
  }
  const ended = await Promise.allSettled(Array.from({ length: lanes }, lane))
  for (const end of ended) if (end.status === 'rejected') throw end.reason
}
