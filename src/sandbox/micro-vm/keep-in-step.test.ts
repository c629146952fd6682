/** A person's folders and a machine's copy of them, in step. The machine is real hands in the process tier, over a folder of their own. */
import assert from 'node:assert/strict'
import { chmod, chown, cp, lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { planBubblewrap } from '../bubblewrap/bubblewrap-plan.ts'
import { prepareFolders } from '../create-sandbox.ts'
import { findProgram, ownSearchPath } from '../host-programs.ts'
import { makeWorkbench } from '../sandbox-fixture.ts'
import { sandboxUid } from '../tier-plan.ts'
import { openMachineWorkspace } from './machine-workspace.ts'

const launcher = await planBubblewrap(ownSearchPath())
const mke2fs = findProgram('mke2fs', ownSearchPath())
const skip = 'code' in launcher ? launcher.message : mke2fs === null ? 'mke2fs is missing: apt-get install e2fsprogs' : false
const request = { signal: new AbortController().signal, timeoutMs: 30_000 }

describe('a machine and the folders of a person', { skip }, () => {
  it('are in step: edits are seen by the next call, and what a call did is there when it answers', async () => {
    await using rig = await openRig({ 'f.txt': 'one', 'gone.txt': 'x', 'dir/in.txt': 'x', '.git/config': 'old' })
    assert.equal(await rig.exec('cat f.txt site/a.txt'), 'onesite')
    for (const [path, text] of [
      ['f.txt', 'two'],
      ['new/deep.txt', 'n'],
      ['.git/config', 'mine'],
      ['site/p.txt', 'p'],
    ] as const)
      await rig.write(path, text)
    await rm(rig.at('gone.txt'))
    await rm(rig.at('dir'), { recursive: true })
    await rig.write('dir', 'a file now')
    await chmod(rig.at('f.txt'), 0o755)
    await symlink('f.txt', rig.at('link'))
    await rig.write('big', 'x'.repeat(3_000_000))
    assert.equal(
      await rig.exec('cat f.txt link new/deep.txt .git/config site/p.txt dir; wc -c < big; ls gone.txt 2>&1 | wc -l'),
      'twotwonminepa file now3000000\n1\n',
    )
    assert.equal(await rig.exec('test -x f.txt && ! test -x dir && echo as there'), 'as there\n')
    await rig.exec('echo agent > site/made.txt; rm site/a.txt; echo three > f.txt; mkdir more; mv new/deep.txt more/')
    assert.deepEqual(await readdir(rig.site), ['made.txt', 'p.txt'])
    assert.equal(await readFile(rig.at('f.txt'), 'utf8'), 'three\n')
    assert.equal(await readFile(rig.at('more/deep.txt'), 'utf8'), 'n')
    const { text } = await rig.hands.ask('read', { path: '/shared/site/p.txt', fromLine: 1, maxLines: 9, maxBytes: 99 }, request)
    assert.equal(text, 'p')
  })

  it('keep a folder of the person, and what is outside of it', async () => {
    await using rig = await openRig({})
    await rig.exec('rm -rf site; mkdir -p site/sub; ln -s ../x site/out; ln -s ../../x site/sub/out; ln -s ../ok site/sub/in')
    assert.deepEqual([await readdir(rig.site), await readlink(join(rig.site, 'sub/in'))], [['sub'], '../ok'])
    assert.deepEqual(await readdir(join(rig.site, 'sub')), ['in'])
    await rig.exec('rm -rf site; echo x > site')
    assert.ok((await lstat(rig.site)).isDirectory())
    await rm(rig.site, { recursive: true })
    await assert.rejects(rig.exec('true'), /folder at \/shared\/site is gone/)
  })

  it('are compared while a command runs', async () => {
    await using rig = await openRig({ 'f.txt': 'wait' })
    const waiting = rig.exec('echo started > s.txt; until grep -q now f.txt; do sleep 0.1; done; echo seen')
    for (const until = Date.now() + 15_000; !(await readdir(rig.at(''))).includes('s.txt') && Date.now() < until;)
      await new Promise((resolve) => setTimeout(resolve, 50))
    await rig.write('f.txt', 'now')
    assert.equal(await waiting, 'seen\n')
  })

  it('are the same after any series of changes of both', async () => {
    const names = fc.constantFrom('a', 'b', 'd/a', 'd/e/b', 'site/a', 'site/d/b')
    const change = fc.record({ who: fc.constantFrom('person', 'agent'), path: names, text: fc.constantFrom('', '1', '22', null) })
    await using rig = await openRig({})
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        for (const { who, path, text } of changes) {
          if (who === 'agent')
            await rig.exec(text === null ? `rm -rf ${path}` : `mkdir -p $(dirname ${path}) && printf '%s' '${text}' > ${path}`)
          else if (text === null) await rm(rig.at(path), { recursive: true, force: true })
          else await rig.write(path, text)
        }
        const listed = await rig.exec('find . -type f -exec sh -c \'printf "%s=%s\\n" "$1" "$(cat "$1")"\' _ {} \\;')
        assert.deepEqual(listed.trim().split('\n').sort(), await filesOf(rig))
      }),
      { numRuns: 6 },
    )
  })
})

interface Rig extends AsyncDisposable {
  readonly site: string
  readonly hands: Awaited<ReturnType<Awaited<ReturnType<typeof makeWorkbench>>['sandbox']['hands']>>
  at(path: string): string
  write(path: string, text: string): Promise<void>
  exec(command: string): Promise<string>
}

async function filesOf({ at, site }: Rig): Promise<string[]> {
  const lines: string[] = []
  for (const [folder, name] of [
    [at(''), ''],
    [site, 'site/'],
  ] as const) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile())
        lines.push(`./${name}${path.slice(folder.length + (folder.endsWith('/') ? 0 : 1))}=${await readFile(path, 'utf8')}`)
    }
  }
  return lines.sort()
}

async function openRig(files: Readonly<Record<string, string>>): Promise<Rig> {
  const root = await mkdtemp(join(tmpdir(), 'oxbow-step-'))
  await chmod(root, 0o755)
  const [person, site] = [join(root, 'person'), join(root, 'site')]
  const own = await prepareFolders(person)
  await mkdir(join(own.shared, 'site'))
  await mkdir(site)
  const at = (path: string): string => (path.startsWith('site/') ? join(site, path.slice('site/'.length)) : join(own.shared, path))
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(join(at(path), '..'), { recursive: true })
    await writeFile(at(path), text)
  }
  for (const [path, text] of Object.entries({ ...files, 'site/a.txt': 'site' })) await write(path, text)
  if (process.getuid?.() === 0) await chown(site, sandboxUid, sandboxUid)
  const bench = await makeWorkbench()
  const workspace = openMachineWorkspace({
    folders: { ...own, mounts: [{ host: site, inside: '/shared/site', writable: true }] },
    cacheFolder: join(person, 'internal'),
    mke2fs: mke2fs!,
    diskMb: 16,
    logger: () => undefined,
    launcher: 'code' in launcher ? assert.fail() : launcher,
  })
  const machine = await workspace.startWork(async () => {
    const inside = join(bench.root, 'shared')
    await cp(own.shared, inside, { recursive: true })
    await cp(site, join(inside, 'site'), { recursive: true })
    if (process.getuid?.() === 0)
      for (const name of ['', ...(await readdir(inside, { recursive: true }))]) await chown(join(inside, name), sandboxUid, sandboxUid)
    return {
      hands: await bench.sandbox.hands('work'),
      online: null,
      egress: null,
      streams: null,
      isOpen: () => true,
      kill: () => bench.sandbox.close(),
    }
  })
  return {
    site,
    hands: machine.hands,
    at,
    write,
    async exec(command) {
      const input = { command, cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 100_000 }
      return (await machine.hands.ask('exec', input, request)).stdout
    },
    async [Symbol.asyncDispose]() {
      await machine.kill()
      await bench.remove()
      await rm(root, { recursive: true, force: true })
    },
  }
}
