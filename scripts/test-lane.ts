/**
 * One lane of `npm test`: goes through the test files named in its arguments, one after another in this process, and sends what
 * happens to its parent (scripts/run-tests.ts). Exits when the last test has ended, whatever a test left open.
 */
import { run } from 'node:test'
import { inspect } from 'node:util'

/** What a lane tells its parent. `ended` is the last message; a lane that exits without it broke off. */
export type LaneMessage =
  | { readonly type: 'started'; readonly file: string; readonly name: string }
  | {
      readonly type: 'finished'
      readonly file: string
      readonly name: string
      /** 0 for a test at the top of its file: only these durations are added up. */
      readonly nesting: number
      readonly kind: 'test' | 'suite'
      readonly ms: number
      readonly outcome: 'pass' | 'fail' | 'skip' | 'todo'
      /** The reason of a skip, the error of a failure. */
      readonly text: string
    }
  | { readonly type: 'noted'; readonly file: string; readonly text: string }
  | { readonly type: 'ended'; readonly failed: number }

/** Functions are left out of the inspected error; what a test prints itself goes straight to the terminal. */
const send = (message: LaneMessage): void => void process.send?.(message)

let failed = 0
for await (const { type, data } of run({ files: process.argv.slice(2), isolation: 'none' })) {
  if (type === 'test:start') send({ type: 'started', file: data.file ?? '', name: data.name })
  else if (type === 'test:diagnostic' && data.file !== undefined) send({ type: 'noted', file: data.file, text: data.message })
  else if (type === 'test:pass' || type === 'test:fail') {
    const error = type === 'test:fail' ? data.details.error : undefined
    if (error !== undefined) failed++
    send({
      type: 'finished',
      file: data.file ?? '',
      name: data.name,
      nesting: data.nesting,
      kind: data.details.type === 'suite' ? 'suite' : 'test',
      ms: data.details.duration_ms,
      outcome: error !== undefined ? 'fail' : data.skip !== undefined ? 'skip' : data.todo !== undefined ? 'todo' : 'pass',
      text: error !== undefined ? inspect(error.cause ?? error, { depth: 8 }) : typeof data.skip === 'string' ? data.skip : '',
    })
  }
}
// Messages are sent in order: when the last one is out, all are.
process.send?.({ type: 'ended', failed } satisfies LaneMessage, () => process.exit(failed === 0 ? 0 : 1))
