/** What a piece of work costs this process while it goes on: memory at its height, and the longest step of the event loop. */
export interface KernelLoad {
  /** More than at the beginning, heap and buffers together. */
  readonly grownBytes: number
  /** Own processor time of one step: what else the machine does is not in it. */
  readonly longestStepMs: number
}

const sampleMs = 10

export async function measureLoad(work: () => Promise<void>): Promise<KernelLoad> {
  const heldNow = (): number => {
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const begin = heldNow()
  let [highest, longest, usage] = [begin, 0, process.cpuUsage()]
  const sample = (): void => {
    const { user } = process.cpuUsage(usage)
    usage = process.cpuUsage()
    longest = Math.max(longest, user / 1000)
    highest = Math.max(highest, heldNow())
  }
  const timer = setInterval(sample, sampleMs)
  try {
    await work()
    sample()
  } finally {
    clearInterval(timer)
  }
  return { grownBytes: highest - begin, longestStepMs: longest }
}
