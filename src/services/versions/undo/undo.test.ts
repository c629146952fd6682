import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench } from '../../../sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../../tools/index.ts'
import type { Json } from '../../../base/index.ts'
import type { CallOutcome } from '../../../protocol/index.ts'
import { asks, type Fixture, type FixtureOptions, openFixture, says } from '../../../kernel/kernel-fixture.ts'

interface Place {
  readonly guest: Fixture
  write(name: string, content: string | Buffer): void
  read(name: string): string | null
  /** One turn that makes these calls. @returns its id, once its version is there */
  turn(...calls: readonly (readonly [string, unknown])[]): Promise<string>
  undo(input?: Json): Promise<Undone>
  fails(input: Json): Promise<string>
}

interface Undone {
  readonly text: string
  readonly undo: string
  readonly conflicts: readonly { readonly path: string }[]
  readonly others: readonly string[]
}

async function withTurns(run: (place: Place) => Promise<void>, options: FixtureOptions = {}): Promise<void> {
  await using bench = await makeWorkbench()
  const steps: ReturnType<typeof says>[] = []
  await using guest = await openFixture({
    sandbox: bench.sandbox,
    versionsFolder: join(bench.root, 'internal', 'versions'),
    calls: builtinCalls({ files: true, shell: true }),
    play: () => steps.shift() ?? says('done'),
    ...options,
    config: {
      agent: { rights: ['exec.run', 'shell.run', 'file.read', 'file.write', 'state.write'] },
      approval: { privileged: 'allow' },
      flow: { irreversible: 'allow' },
      ...(options.config as object),
    },
  })
  const place = (name: string): string => join(bench.root, 'shared', name)
  const call = (input: Json): Promise<CallOutcome> => guest.kernel.call('version.undo', input)
  await run({
    guest,
    write(name, content) {
      mkdirSync(join(place(name), '..'), { recursive: true })
      writeFileSync(place(name), content)
    },
    read: (name) => (existsSync(place(name)) ? readFileSync(place(name), 'utf8') : null),
    async turn(...calls) {
      steps.push(asks(...calls), says('done'))
      await guest.turn('Change files')
      const sent = guest.events.findLast(
        (event) => event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome',
      )
      const turn = sent?.type === 'record' ? sent.record.call : ''
      await guest.record(
        ({ name, phase, body }) => name === 'version.after_turn' && phase === 'outcome' && (body as { turn?: string }).turn === turn,
      )
      return turn
    },
    async undo(input = { apply: true }) {
      const outcome = await call(input)
      assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
      return { text: outcome.text, ...(outcome as { output: object }).output } as Undone
    },
    async fails(input) {
      const outcome = await call(input)
      assert.ok('failure' in outcome, 'the undo fails')
      return `${outcome.failure.code}: ${outcome.failure.message}`
    },
  })
}

test('an undo takes back what the turn did, and an undo of the undo brings it back', async () => {
  await withTurns(async ({ write, read, turn, undo, fails }) => {
    write('a.txt', 'old')
    write('gone.txt', 'keep me')
    await turn(
      ['file_write', { path: 'a.txt', text: 'new' }],
      ['file_write', { path: 'b.txt', text: 'b' }],
      ['file_delete', { path: 'gone.txt' }],
    )
    assert.match((await undo({})).text, /Would change 3 files/)
    assert.equal(read('a.txt'), 'new', 'a preview changes nothing')
    assert.match((await undo()).text, /^Restored 3 files as they were before this turn\./)
    assert.deepEqual([read('a.txt'), read('b.txt'), read('gone.txt')], ['old', null, 'keep me'])
    assert.match(await fails({ apply: true }), /^not_found: There is no turn to undo/)
    await undo({ redo: true, apply: true })
    assert.deepEqual([read('a.txt'), read('b.txt'), read('gone.txt')], ['new', 'b', null])
    await undo()
    assert.deepEqual([read('a.txt'), read('b.txt'), read('gone.txt')], ['old', null, 'keep me'])
  })
})

test('what the person changed before, during and after a turn survives its undo, in the same file too', async () => {
  await withTurns(async ({ write, read, turn, undo, fails }) => {
    write('a.txt', 'one\ntwo\nthree\nfour\nfive\n')
    const first = await turn(['file_edit', { path: 'a.txt', find: 'five', replace: 'FIVE' }])
    write('a.txt', 'ONE\ntwo\nthree\nfour\nFIVE\n')
    write('mine.txt', 'of the person')
    await turn(
      ['file_edit', { path: 'a.txt', find: 'three', replace: 'THREE' }],
      ['file_write', { path: 'mine.txt', text: 'of the agent' }],
    )
    write('later.txt', 'later')
    assert.match((await undo()).text, /^Restored 2 files/)
    assert.deepEqual([read('a.txt'), read('mine.txt'), read('later.txt')], ['ONE\ntwo\nthree\nfour\nFIVE\n', 'of the person', 'later'])
    write('a.txt', 'ONE\ntwo\nthree\nfour\nmy own five\n')
    assert.match(await fails({ turn: first, apply: true }), /Nothing was changed, because .* a\.txt: the same part has been changed since/)
    assert.equal(read('a.txt'), 'ONE\ntwo\nthree\nfour\nmy own five\n')
  })
})

test('what a command changes is its turn’s, and what another turn and a person did meanwhile is theirs', async () => {
  await withTurns(async ({ write, read, turn, undo }) => {
    write('a.txt', 'a')
    const first = await turn(['shell_exec', { command: 'echo changed > a.txt; mkdir -p out; echo built > out/x' }])
    const second = await turn(['file_write', { path: 'out/x', text: 'by another turn' }])
    write('out/mine', 'of the person')
    const done = await undo({ turn: first, apply: true, conflicts: 'keep_later' })
    assert.match(done.text, /^Restored a\.txt as it was before this turn\.\nLeft out\/x as it is/)
    assert.deepEqual([read('a.txt'), read('out/x'), read('out/mine')], ['a', 'by another turn', 'of the person'])
    await undo({ turn: second, apply: true })
    assert.equal(read('out/x'), 'built\n')
  })
})

test('files without versions so far have one before a call changes them: .env, ignored names, large files, repositories', async () => {
  const large = Buffer.alloc(11 * 1024 * 1024, 'large file ')
  await withTurns(
    async ({ write, read, turn, undo }) => {
      write('.env', 'KEY=1')
      write('ignored.txt', 'ignored')
      write('big.bin', large)
      write('deleted.bin', Buffer.concat([large, Buffer.from('2')]))
      write('repo/.git/notes', 'of a repository')
      write('repo/x', 'x')
      write('my repo/.git/notes', 'of another one')
      const change = await turn(
        ['file_write', { path: '.env', text: 'KEY=stolen' }],
        ['file_patch', { diff: '--- a/ignored.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-ignored\n\\ No newline at end of file\n' }],
        ['file_write', { path: 'big.bin', text: 'tiny' }],
        ['shell_exec', { command: 'rm deleted.bin' }],
        ['file_delete', { path: 'repo', recursive: true }],
        ['exec_run', { binary: 'rm', args: ['-rf', 'my repo'] }],
      )
      for (const name of ['ignored.txt', 'deleted.bin', 'repo/x', 'my repo/.git/notes']) assert.equal(read(name), null, name)
      await undo({ turn: change, apply: true })
      assert.deepEqual([read('.env'), read('ignored.txt'), read('repo/.git/notes')], ['KEY=1', 'ignored', 'of a repository'])
      assert.equal(read('my repo/.git/notes'), 'of another one')
      assert.ok(read('big.bin') === large.toString(), 'byte for byte')
      assert.ok(read('deleted.bin') === `${large.toString()}2`, 'byte for byte')
    },
    { config: { versions: { ignore: ['ignored.txt'] }, exec: { allow: ['rm'] } } },
  )
})

test('an undo says what it cannot take back, and refuses where versions are missing', async () => {
  await withTurns(async ({ write, turn, undo, fails }) => {
    write('a.txt', 'a')
    const one = await turn(['file_write', { path: 'a.txt', text: 'b' }], ['shell_exec', { command: 'true' }])
    assert.deepEqual((await undo({ turn: one })).others, ['shell.exec'])
    assert.match(
      await fails({ turn: '01890a5d-ac96-774b-bcce-b302099a8057', apply: true }),
      /^not_found: No version says what this turn changed/,
    )
    write('a.txt', 'a')
    assert.match(await fails({ turn: one, apply: true }), /^not_found: Nothing was changed: all is already/)
  })
})

test('a turn that runs is not undone, whichever of its names is given', async () => {
  await withTurns(
    async ({ guest, write, read, turn, fails }) => {
      write('a.txt', 'a')
      const ended = turn(['file_write', { path: 'a.txt', text: 'b' }], ['file_delete', { path: 'a.txt' }])
      const waiting = await guest.record(({ phase }) => phase === 'parked')
      const { output } = (await guest.kernel.call('version.turns', {})) as unknown as {
        output: { turns: { turn: string; commit: string }[] }
      }
      const [{ turn: id, commit }] = output.turns as [{ turn: string; commit: string }]
      for (const name of [id, id.slice(0, 20), commit.slice(0, 8)])
        assert.match(await fails({ turn: name, apply: true }), /^tool_failed: This turn is still running/)
      assert.equal(read('a.txt'), 'b')
      await guest.kernel.approve(waiting.call, false)
      await ended
    },
    { config: { approval: { privileged: 'allow', calls: { 'file.delete': 'ask' } } } },
  )
})

test('saved documents are taken back with the files of their turn', async () => {
  await withTurns(async ({ guest, write, turn, undo }) => {
    write('a.txt', 'a')
    await guest.kernel.call('state.save', { category: 'c', name: 'mine', data: 1 })
    await turn(['state_save', { category: 'c', name: 'n', data: 2 }], ['file_write', { path: 'a.txt', text: 'b' }])
    await undo()
    assert.equal((await guest.kernel.call('state.load', { category: 'c', name: 'n' })).status, 'failed')
    assert.equal((await guest.kernel.call('state.load', { category: 'c', name: 'mine' })).status, 'ok')
    await undo({ redo: true, apply: true })
    assert.equal((await guest.kernel.call('state.load', { category: 'c', name: 'n' })).status, 'ok')
  })
})

test('undo of a turn never deletes what the turn did not make', async () => {
  await withTurns(async ({ write, read, turn, undo }) => {
    await turn(['file_write', { path: 'first.txt', text: 'x' }])
    // A project that appears in a home which has versions.
    for (const name of ['app.js', 'lib/util.js', 'README.md']) write(`project/${name}`, `${name}\nline two\n`)
    await turn(['file_edit', { path: 'project/app.js', find: 'line two', replace: 'changed' }])
    await undo()
    for (const name of ['app.js', 'lib/util.js', 'README.md']) assert.equal(read(`project/${name}`), `${name}\nline two\n`)
  })
})
