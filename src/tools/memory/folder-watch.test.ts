import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { CallOutcome, Hands, HandsOps, Sandbox } from '../../protocol/index.ts'
import { watchFolders } from './folder-watch.ts'

type Answer = HandsOps['watch']['output']
const ok: CallOutcome = { status: 'ok', output: null, text: '', ok: true }
const changed: Answer = { changes: [{ path: '/shared/docs/a.md', kind: 'file' }], overflow: false }
const still: Answer = { changes: [], overflow: false }

/** Hands that answer watches as they are told, and end a question with its signal. */
function watched(answers: (Answer | Error)[]) {
  const ingested: string[] = []
  /** Whether hands were being asked when a folder began to be taken in. */
  const askedMeanwhile: boolean[] = []
  let open = 0
  const quiet = Promise.withResolvers<void>()
  const ask = async (_op: string, _input: unknown, { signal }: { signal: AbortSignal }): Promise<Answer> => {
    const next = answers.shift()
    if (next instanceof Error) throw next
    if (next !== undefined) return next
    quiet.resolve()
    open += 1
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }))
  }
  const sandbox: Pick<Sandbox, 'hands'> = { hands: async () => ({ ask }) as Hands }
  const ingest = async (path: string): Promise<CallOutcome> => (ingested.push(path), askedMeanwhile.push(open > 0), ok)
  return { ingested, askedMeanwhile, quiet: quiet.promise, watch: watchFolders({ folders: ['/shared/docs'], sandbox, ingest, restMs: 1 }) }
}

it('a watched folder is ingested at first, again at each change or overflow, and not without a change', async () => {
  const { ingested, quiet, watch } = watched([still, still, changed, still, { changes: [], overflow: true }])
  await quiet
  await watch.close()
  assert.equal(ingested.length, 3)
})

it('a folder is watched while it is ingested, however long that takes', async () => {
  const { askedMeanwhile, quiet, watch } = watched([still])
  await quiet
  await watch.close()
  assert.deepEqual(askedMeanwhile, [true])
})

it('a folder that cannot be watched is tried again, and then ingested as a whole', async () => {
  const { ingested, quiet, watch } = watched([new Error('no sandbox'), still, still, new Error('gone'), still])
  await quiet
  await watch.close()
  assert.equal(ingested.length, 2)
})
