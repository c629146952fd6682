/** Sessions and jobs as the kernel has them, in a real sandbox. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { HandsOps } from '../../types/index.ts'
import { asker, refusedWith } from '../sandbox-contract.ts'
import { makeWorkbench } from '../sandbox-workbench.ts'
import type { Workbench } from '../sandbox-workbench.ts'

const size = { columns: 120, rows: 30 }
const owner = 'one'

describe('a shell session', () => {
  let bench: Workbench
  let ask: ReturnType<typeof asker>
  before(async () => {
    bench = await makeWorkbench()
    ask = asker(bench.sandbox)
  })
  after(async () => {
    await bench.sandbox.close()
    await bench.remove()
  })
  const open = async (more: Partial<HandsOps['sessionOpen']['input']> = {}) =>
    ask('sessionOpen', { owner, kind: 'shell', command: '', cwd: '/shared', terminal: null, ...more })
  const read = (id: string, more: Partial<HandsOps['sessionRead']['input']> = {}) =>
    ask('sessionRead', { owner, id, from: 0, maxBytes: 100_000, waitMs: 20_000, until: 'quiet', quietMs: 20_000, plain: true, ...more })
  /** Writes a line and reads what comes until the shell waits again. */
  const type = async (id: string, line: string, more: Partial<HandsOps['sessionRead']['input']> = {}) => {
    const { total } = await ask('sessionWrite', { owner, id, text: `${line}\n`, keys: [] })
    return read(id, { from: total, ...more })
  }
  const close = (id: string) => ask('sessionClose', { owner, id })

  for (const terminal of [null, size]) {
    const kind = terminal === null ? 'pipes' : 'a terminal'
    it(`with ${kind} keeps its folder, variables and functions, and tells how each command ended`, async () => {
      const { id, terminal: has } = await open({ terminal })
      assert.equal(has, terminal !== null)
      await type(id, 'mkdir -p deep; cd deep; x=42; f() { echo "f $x $PWD"; return 7; }')
      const { text, prompt } = await type(id, 'f')
      assert.match(text, /^f 42 \/shared\/deep$/m)
      assert.deepEqual(prompt, { exitCode: 7 })
      assert.deepEqual((await type(id, 'true')).prompt, { exitCode: 0 })
      const { text: heredoc } = await type(id, 'cat <<X\ninside\nX')
      assert.match(heredoc, /^inside$/m)
      const last = await type(id, 'exit 3')
      assert.deepEqual([last.ended, last.prompt], [{ exitCode: 3, signal: null }, null])
      assert.match(await refusedWith('tool_failed', type(id, 'x')), /ended with exit code 3/)
      assert.deepEqual((await close(id)).ended, { exitCode: 3, signal: null })
      assert.match(await refusedWith('not_found', read(id)), /was closed/)
    })
  }

  it('shows nothing of its own when it has pipes', async () => {
    const { id } = await open()
    const { text, from, total } = await type(id, 'echo out; echo err >&2')
    assert.deepEqual([text, from], ['out\nerr\n', 0])
    assert.ok(total > text.length, 'marks are bytes too')
    await close(id)
  })
})
