import assert from 'node:assert/strict'
import { getPriority } from 'node:os'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { backgroundNiceness } from './limits.ts'

const program = `
  import { readlinkSync } from 'node:fs'
  import { parentPort } from 'node:worker_threads'
  import { lowerThreadPriority } from ${JSON.stringify(new URL('thread-priority.ts', import.meta.url).href)}
  lowerThreadPriority()
  parentPort.postMessage(Number(readlinkSync('/proc/thread-self').split('/').at(-1)))
  parentPort.once('message', () => parentPort.close())
`
const skip = process.platform === 'linux' ? false : 'only Linux counts priority by thread'

void test('a thread that gives way does so alone', { skip }, async () => {
  const before = getPriority()
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`))
  try {
    const thread = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject))
    assert.equal(getPriority(thread), Math.max(before, backgroundNiceness))
    assert.equal(getPriority(), before)
  } finally {
    await worker.terminate()
  }
})
