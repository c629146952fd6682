import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench, type WorkbenchOptions } from '../../../sandbox/sandbox-fixture.ts'
import type { Json } from '../../../base/index.ts'
import type { CallOutcome } from '../../../protocol/index.ts'
import { asks, done, type FixtureOptions, openFixture, says, testCall } from '../../../kernel/kernel-fixture.ts'
import type { BranchRecord, Difference } from '../version-schemas.ts'

interface Place {
  readonly root: string
  ok<Output>(name: string, input: Json): Promise<Output>
  /** Runs a command in a branch. @returns what it says */
  run(command: string, branch?: string): Promise<string>
  /** @returns the changes of the branch `b`, in order */
  changes(): Promise<readonly string[]>
}

/** The workspace has these files, each with its own name in it, and a branch `b`. */
async function onBranch(
  names: readonly string[],
  options: WorkbenchOptions & FixtureOptions,
  run: (place: Place) => Promise<void>,
): Promise<void> {
  await using bench = await makeWorkbench({
    ...options,
    async before(root) {
      await options.before?.(root)
      for (const name of names) {
        mkdirSync(join(root, 'shared', name, '..'), { recursive: true })
        writeFileSync(join(root, 'shared', name), name)
      }
    },
  })
  const versionsFolder = join(bench.root, 'internal', 'versions')
  await using guest = await openFixture({ ...options, sandbox: bench.sandbox, versionsFolder })
  const ok = async <Output>(name: string, input: Json): Promise<Output> => {
    const outcome = await guest.kernel.call(name, input)
    assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
    return (outcome as CallOutcome & { status: 'ok' }).output as Output
  }
  const made = await ok<BranchRecord>('branch.create', { name: 'b' })
  assert.deepEqual([made.over, made.copied], [made.version, ''], 'this machine has overlays')
  await run({
    root: bench.root,
    ok,
    async run(command, branch = 'b') {
      const input = { command, cwd: '/shared', stdin: '', timeoutMs: 10_000, maxOutputBytes: 10_000 }
      const hands = await (await bench.sandbox.branches!.open(branch)).hands('work')
      const { stdout, stderr } = await hands.ask('exec', input, { signal: AbortSignal.timeout(15_000), timeoutMs: 15_000 })
      return stdout + stderr
    },
    async changes() {
      const { changes } = await ok<Difference>('branch.diff', { branch: 'b' })
      return changes.map(({ change, path }) => `${change} ${path.slice('/shared/'.length)}`).sort()
    },
  })
}

/** What an overlay can note in its upper folder, and the difference that it is. */
const deeds: readonly (readonly [command: string, ...changes: string[]])[] = [
  ['true'],
  ['touch a.txt; chmod 700 d; touch d/x.txt'],
  ['echo 1 > a.txt; echo 2 > new.txt', 'added new.txt', 'changed a.txt'],
  ['chmod +x a.txt', 'changed a.txt'],
  ['rm a.txt', 'deleted a.txt'],
  ['rm a.txt; printf a.txt > a.txt'],
  ['echo 1 > new.txt; rm new.txt'],
  ['rm -r d', 'deleted d/deep/y.txt', 'deleted d/x.txt', 'deleted d/z.txt'],
  ['rm -r d; mkdir d', 'deleted d/deep/y.txt', 'deleted d/x.txt', 'deleted d/z.txt'],
  [
    'rm -r d; mkdir -p d/deep; echo 1 > d/deep/w.txt; printf d/x.txt > d/x.txt',
    'added d/deep/w.txt',
    'deleted d/deep/y.txt',
    'deleted d/z.txt',
  ],
  ['rm -r d/deep; mkdir d/deep', 'deleted d/deep/y.txt'],
  ['rm -r d; echo 1 > d', 'added d', 'deleted d/deep/y.txt', 'deleted d/x.txt', 'deleted d/z.txt'],
  ['rm a.txt; mkdir a.txt; echo 1 > a.txt/in', 'added a.txt/in', 'deleted a.txt'],
  ['rm a.txt; mkdir a.txt', 'deleted a.txt'],
  ['mv d e', 'added e/deep/y.txt', 'added e/x.txt', 'added e/z.txt', 'deleted d/deep/y.txt', 'deleted d/x.txt', 'deleted d/z.txt'],
  ['mv d/deep d2; mv d2 d/deep'],
  ['mv a.txt d/x.txt', 'changed d/x.txt', 'deleted a.txt'],
  ['ln -s /etc/passwd a.link; ln -sf /etc a.txt', 'added a.link', 'changed a.txt'],
  ['ln a.txt hard.txt', 'added hard.txt'],
  ['mkdir -p node_modules/x .git; echo 1 > node_modules/x/y; echo 1 > .git/HEAD; mkdir empty'],
  ['chmod 000 d'],
  ['rm -rf ./*', 'deleted a.txt', 'deleted d/deep/y.txt', 'deleted d/x.txt', 'deleted d/z.txt'],
  [`mkdir -- -n 'ü b'; echo 1 > '-n/a"b,c:d'; echo 1 > 'ü b/x'`, 'added -n/a"b,c:d', 'added ü b/x'],
]

test('the difference of an overlay is what was changed in it, however that was done', async () => {
  const files = ['a.txt', 'd/x.txt', 'd/z.txt', 'd/deep/y.txt', 'node_modules/x/old']
  const all = deeds.flatMap((_, n) => files.map((name) => `${n}/${name}`))
  await onBranch(all, {}, async ({ root, run, changes, ok }) => {
    const before = (name: string): string => readFileSync(join(root, 'shared', name), 'utf8')
    for (const [n, [command]] of deeds.entries())
      assert.equal(await run(`cd ${n}; ${command.replaceAll('printf ', `printf ${n}/`)}`), '', command)
    const found = await changes()
    for (const [n, [command, ...wanted]] of deeds.entries()) {
      const own = found.filter((line) => line.split(' ')[1]!.startsWith(`${n}/`))
      assert.deepEqual(
        own.map((line) => line.replace(`${n}/`, '')),
        wanted,
        command,
      )
    }
    await ok('branch.merge', { branch: 'b' })
    assert.deepEqual([before('2/a.txt'), existsSync(join(root, 'shared/7/d/x.txt')), before('9/d/deep/w.txt')], ['1\n', false, '1\n'])
  })
})

test('changes add up from look to look, and what is taken back is gone from the difference', async () => {
  await onBranch(['a.txt', 'd/x.txt'], {}, async ({ run, changes, ok, root }) => {
    await run('echo 1 > new.txt; rm -r d')
    assert.deepEqual(await changes(), ['added new.txt', 'deleted d/x.txt'])
    await run('rm new.txt; mkdir d; printf d/x.txt > d/x.txt; echo 2 > a.txt')
    assert.deepEqual(await changes(), ['changed a.txt'])
    await run(`head -c ${20 * 1024 * 1024} /dev/zero | tee large >/dev/null || true; truncate -s 12M large`)
    assert.deepEqual(await changes(), ['added large', 'changed a.txt'], 'what is larger than versions keep whole, too')
    const merged = await ok<{ total: number }>('branch.merge', { branch: 'b' })
    assert.equal(merged.total, 2)
    rmSync(join(root, 'shared/large'))
  })
})

test('what a person changes in the workspace meanwhile is no change of the branch', async () => {
  await onBranch(['a.txt', 'kept.txt', 'd/x.txt', 'd/y.txt', 'gone/z.txt'], {}, async ({ run, changes, ok, root }) => {
    await run('ls -R >/dev/null; ls later.txt d/later.txt; echo 1 > d/mine.txt; echo 1 > a.txt')
    const shared = join(root, 'shared')
    rmSync(join(shared, 'd/y.txt'))
    rmSync(join(shared, 'gone'), { recursive: true })
    writeFileSync(join(shared, 'later.txt'), 'later')
    writeFileSync(join(shared, 'd/later.txt'), 'later')
    writeFileSync(join(shared, 'draft'), 'other')
    renameSync(join(shared, 'draft'), join(shared, 'kept.txt'))
    writeFileSync(join(shared, 'a.txt'), 'theirs')
    assert.deepEqual(await changes(), ['added d/mine.txt', 'changed a.txt'])
    const { conflicts } = await ok<{ conflicts: { path: string }[] }>('branch.merge', { branch: 'b', dry_run: true })
    assert.deepEqual(
      conflicts.map(({ path }) => path),
      ['/shared/a.txt'],
    )
  })
})

test('an agent on a branch goes on seeing files as they were when it began, once the workspace has other versions of them', async () => {
  const said: string[] = []
  const waiting = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const look = testCall(
    'probe.look',
    async ({ text }: { text: string }, { sandbox }) => {
      const command = { command: text, cwd: '/shared', stdin: '', timeoutMs: 5_000, maxOutputBytes: 1_000 }
      const hands = await sandbox.hands('work')
      said.push((await hands.ask('exec', command, { signal: AbortSignal.timeout(10_000), timeoutMs: 10_000 })).stdout)
      if (said.length === 1) {
        waiting.resolve()
        await goOn.promise
      }
      return done('looked')
    },
    { right: 'file.write', files: 'workspace', timeoutMs: 60_000 },
  )
  const all = 'cat a.txt b.txt d/x.txt; ls'
  const play: NonNullable<FixtureOptions['play']> = ({ messages }) => {
    const answered = messages.filter(({ role }) => role === 'tool').length
    return answered < 2 ? asks(['probe_look', { text: answered === 0 ? `${all}; echo own > b.txt` : all }]) : says('done')
  }
  await onBranch(['a.txt', 'b.txt', 'd/x.txt'], { calls: [look], play }, async ({ ok, root }) => {
    const { id } = await ok<{ id: string }>('agent.spawn', { task: 'look', name: 'looker', rights: ['file.write'], files: 'branch' })
    await waiting.promise
    for (const name of ['a.txt', 'b.txt', 'new.txt']) writeFileSync(join(root, 'shared', name), 'theirs')
    rmSync(join(root, 'shared/d'), { recursive: true })
    await ok('version.commit', { message: 'Of the person' })
    goOn.resolve()
    await ok('agent.wait', { agents: [id], timeout_s: 20 })
    assert.deepEqual(said, ['a.txtb.txtd/x.txta.txt\nb.txt\nd\n', 'a.txtown\nd/x.txta.txt\nb.txt\nd\n'])
    const { changes } = await ok<Difference>('branch.diff', { branch: id })
    assert.deepEqual(changes, [{ path: '/shared/b.txt', change: 'changed' }])
  })
})
