/**
 * The provider of macOS, as it runs on Linux. That it holds here says that its parts fit together; what sandbox-exec holds was
 * never seen.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { Sandbox } from '../protocol/index.ts'
import { quote } from './bubblewrap/launch-command.ts'
import { keepHands } from './keep-hands.ts'
import { asker, describeSandboxContract, refusedWith, type SandboxUnderTest } from './sandbox-contract.ts'
import { testBrowser, testLimits } from './sandbox-fixture.ts'
import { hiddenFolders, loadRuntime, rulesFor, type Runtime, srtTier, tierPlan, underRuntime } from './srt-tier.ts'
import { isPlan, type TierOptions } from './tier-plan.ts'
import { prepareFolders } from './create-sandbox.ts'

const run = promisify(execFile)
const quiet = { limits: testLimits, browser: testBrowser, diskProblem: null, searchPath: '/usr/bin:/bin', logger: () => undefined }

async function optionsAt(root: string): Promise<TierOptions> {
  const internal = join(root, 'internal')
  return { ...quiet, folders: await prepareFolders(root), cacheFolder: internal, imageFolder: internal }
}

/** What is missing here, as the reason of a skipped test. */
const look = await mkdtemp(join(tmpdir(), 'oxbow-srt-look-'))
const found = process.platform === 'linux' ? await srtTier.plan(await optionsAt(look)) : null
await rm(look, { recursive: true })
const skip = found === null ? 'the test speaks of Linux' : isPlan(found) ? false : `${found.message} ${found.hint}`

async function make(): Promise<SandboxUnderTest & { readonly root: string }> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-srt-')))
  const plan = await srtTier.plan(await optionsAt(root))
  assert.ok(isPlan(plan))
  const { provider, profiles, limits, degraded } = plan
  const status = {
    asked: 'process',
    tier: 'process',
    provider,
    files: true,
    shell: false,
    profiles,
    problem: null,
    limits,
    degraded,
  } as const
  return { root, sandbox: keepHands(status, plan, () => undefined), remove: () => rm(root, { recursive: true, force: true }) }
}

if (skip === false) describeSandboxContract('sandbox-runtime', make)

describe('hands under the sandbox runtime', { skip }, () => {
  let made: Awaited<ReturnType<typeof make>>
  let sandbox: Sandbox
  const limits = { signal: new AbortController().signal, timeoutMs: 30_000 }
  const whole = { fromLine: 1, maxLines: 10, maxBytes: 1_000 }
  before(async () => {
    made = await make()
    sandbox = made.sandbox
    await writeFile(join(made.root, 'vault/key'), 'of the vault')
    await mkdir(join(made.root, 'internal'), { recursive: true })
    await writeFile(join(made.root, 'internal/secret'), 'of the kernel')
  })
  after(async () => {
    await made.sandbox.close()
    await made.remove()
  })

  it('run no command, and say why', async () => {
    const exec = { command: 'id', cwd: '/tmp', stdin: '', timeoutMs: 1_000, maxOutputBytes: 100 }
    await refusedWith('sandbox_missing', asker(sandbox)('exec', exec))
    assert.ok(sandbox.status.degraded.some((line) => line.startsWith('commands: off')))
  })

  it('see the vault only in the profile that reads it, and cannot write there', async () => {
    const vault = await sandbox.hands('vault-read')
    assert.equal((await vault.ask('read', { path: '/vault/key', ...whole }, limits)).text, 'of the vault')
    await refusedWith('path_refused', vault.ask('read', { path: '/shared/x', ...whole }, limits))
    const writing = vault.ask('write', { path: '/vault/new', text: 'x' }, limits)
    assert.notEqual(await writing.catch((error: unknown) => error), undefined)
    assert.deepEqual(await readdir(join(made.root, 'vault')), ['key'])
    await refusedWith('path_refused', asker(sandbox)('read', { path: '/vault/key', ...whole }))
  })

  it('are held by the system too: a link to what is hidden leads nowhere even for a program that follows it', async () => {
    await symlink(join(made.root, 'internal/secret'), join(made.root, 'shared/link'))
    await assert.rejects(asker(sandbox)('read', { path: '/shared/link', ...whole }))
    const { denyRead, allowRead, allowWrite } = rulesFor('work', await optionsAt(made.root), process.platform)
    assert.ok(denyRead.includes(made.root))
    assert.ok(!allowRead.includes(made.root) && allowWrite.every((folder) => folder.startsWith(`${made.root}/`)))
    assert.equal(await readFile(join(made.root, 'internal/secret'), 'utf8'), 'of the kernel')
  })

  it('are in the same place as this program, which finds nothing of the machine and no network', async () => {
    const runtime = await loadRuntime('/nowhere')
    assert.ok(!('code' in runtime))
    const options = await optionsAt(made.root)
    const { shared, tmp } = options.folders
    const tries = [
      `cat ${quote(join(made.root, 'internal/secret'))}`,
      `cat ${quote(join(made.root, 'vault/key'))}`,
      'cat /etc/shadow',
      `ls ${homedir()}/.ssh`,
      'touch /etc/oxbow-was-here',
      'bash -c "exec 3<>/dev/tcp/169.254.169.254/80"',
      'test -n "$OXBOW_SECRET"',
    ]
    const script = tries.map((each, i) => `(${each}) >/dev/null 2>&1 && echo open ${i}`).join('; ')
    process.env['OXBOW_SECRET'] = 'hunter2'
    const { file, args } = await underRuntime(
      runtime,
      rulesFor('work', options, process.platform),
      tmp,
      `${script}; touch ${quote(shared)}/in ${quote(join(made.root, 'outside'))}; echo end`,
    )
    const { stdout } = await run(file, [...args], { cwd: shared, env: process.env }).finally(() => delete process.env['OXBOW_SECRET'])
    assert.equal(stdout, 'end\n')
    assert.ok((await readdir(shared)).includes('in'))
    // What is hidden is an empty folder there, which may be written and is gone afterwards.
    assert.ok(!(await readdir(made.root)).includes('outside'))
  })

  it('stay within the size of one file', async () => {
    const large = 'x'.repeat((testLimits.max_file_mb + 1) * 1024 * 1024)
    await assert.rejects(asker(sandbox)('write', { path: '/tmp/large', text: large }))
  })
})

describe('the sandbox runtime as an optional package', () => {
  it('is loaded from the home where it is installed there, and else says which command installs it', async () => {
    const home = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-srt-home-')))
    // As from an installation of Oxbow without development packages.
    const load = (): Promise<unknown> => loadRuntime(home, 'file:///nowhere/oxbow.js')
    const { message, hint } = (await load()) as { message: string; hint: string }
    assert.match(message, /sandbox-runtime is not installed/)
    assert.equal(hint, `Run: npm install --prefix '${home}' @anthropic-ai/sandbox-runtime@0.0.83`)
    const folder = join(home, 'node_modules/@anthropic-ai/sandbox-runtime')
    await mkdir(join(folder, 'dist'), { recursive: true })
    await writeFile(join(folder, 'package.json'), '{"type":"module","main":"./dist/index.js"}')
    await writeFile(join(folder, 'dist/index.js'), 'export const SandboxManager = { mark: 7 }')
    assert.deepEqual(await load(), { mark: 7 })
    await rm(home, { recursive: true })
  })
})

describe('a runtime that did not come up', () => {
  it('is tried again at the next start', async () => {
    const root = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-srt-anew-')))
    let tries = 0
    const runtime: Runtime = {
      initialize: () => ((tries += 1) === 1 ? Promise.reject(new Error('not yet')) : Promise.resolve()),
      checkDependenciesAsync: () => Promise.resolve({ errors: [] }),
      wrapWithSandboxArgv: () => Promise.reject(new Error('it is up')),
      reset: () => Promise.resolve(),
    }
    const plan = tierPlan(runtime, await optionsAt(root))
    assert.equal(await refusedWith('sandbox_missing', plan.start('work')), 'not yet')
    assert.equal(await refusedWith('sandbox_missing', plan.start('work')), 'it is up')
    await plan.close()
    await rm(root, { recursive: true })
  })
})

describe('what is hidden', () => {
  it("includes the homes of either system, and the person's wherever it is", () => {
    assert.ok(hiddenFolders('darwin', '/').includes('/Users'))
    assert.ok(hiddenFolders('linux', '/').includes('/home'))
    assert.deepEqual(hiddenFolders('linux', '/github/home'), [...hiddenFolders('linux', '/home/somebody'), '/github/home'])
    assert.ok(!hiddenFolders('linux', '/').includes('/'))
  })

  it('holds the home in the rules too', { skip }, async (t) => {
    const root = await realpath(await mkdtemp('/var/tmp/oxbow-srt-home-'))
    const homeBefore = process.env['HOME']
    t.after(async () => {
      if (homeBefore === undefined) delete process.env['HOME']
      else process.env['HOME'] = homeBefore
      await rm(root, { recursive: true })
    })
    process.env['HOME'] = root
    assert.ok(rulesFor('work', await optionsAt(join(root, 'workspace')), 'darwin').denyRead.includes(root))
  })
})
