/** Sessions outside of a sandbox, where hands have no native part to make terminals with. */
import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createLiveCommands } from '../commands/start-process.ts'
import { openSessions, type Sessions } from './session-keeper.ts'

const owner = 'one'
const { signal } = new AbortController()

describe('sessions without a native part', () => {
  let folder: string
  let sessions: Sessions
  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-sessions-')))
    sessions = openSessions({
      roots: [{ virtual: '/shared', real: folder }],
      live: createLiveCommands(false, () => ({ OXBOW_PROXY: 'as commands have it' })),
      dataLimitKib: 4 * 1024 * 1024,
    })
  })
  after(async () => {
    await sessions.close()
    await rm(folder, { recursive: true })
  })
  const open = (command = '') =>
    sessions.ops.sessionOpen(
      { owner, kind: command === '' ? 'shell' : 'job', command, cwd: '/shared', terminal: { columns: 80, rows: 24 } },
      signal,
    )
  const read = (id: string, from = 0) =>
    sessions.ops.sessionRead({ owner, id, from, maxBytes: 1_000, waitMs: 20_000, until: 'quiet', quietMs: 20_000, plain: true }, signal)

  it('fall back to pipes without a terminal, and report it', async () => {
    const { id, terminal } = await open()
    assert.equal(terminal, false)
    await sessions.ops.sessionWrite({ owner, id, text: '[ -t 0 ] || echo pipes; ulimit -d; echo $OXBOW_PROXY\n', keys: [] }, signal)
    assert.equal((await read(id)).text, 'pipes\n4194304\nas commands have it\n')
  })

  it('end all together, and nothing of them lives', async () => {
    const { id } = await open('echo $$; exec sleep 600')
    const said = await sessions.ops.sessionRead(
      { owner, id, from: 0, maxBytes: 1_000, waitMs: 20_000, until: 'output', quietMs: 10, plain: true },
      signal,
    )
    const pid = Number(said.text)
    assert.equal(process.kill(pid, 0), true)
    await sessions.close()
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
    assert.deepEqual((await read(id)).ended, { exitCode: null, signal: 'SIGTERM' })
  })

  it('do not exist where there are no commands at all', async () => {
    const none = openSessions(undefined)
    await assert.rejects(
      none.ops.sessionOpen({ owner, kind: 'shell', command: '', cwd: '/shared', terminal: null }, signal),
      /Commands are off/,
    )
    await none.close()
  })
})
