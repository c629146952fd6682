/** A guest that is lost while `oxbow serve` runs, and configurations with which none gets well. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { patienceMs } from '../support/patience.ts'

const root = mkdtempSync(join(tmpdir(), 'oxbow-kept-'))
after(() => rmSync(root, { recursive: true, force: true }))

function openHome(name: string, config: string | null) {
  const home = join(root, name)
  mkdirSync(home)
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, OXBOW_HOME: join(home, 'oxbow') }
  shareCompileCache(env.OXBOW_HOME)
  const file = join(env.OXBOW_HOME, 'config.toml')
  if (config !== null) writeFileSync(file, config)
  const oxbow = (...words: readonly string[]): Promise<{ exit: number; text: string }> =>
    new Promise((resolve) => {
      execFile(process.execPath, [program, ...words], { env, timeout: 60_000 }, (error, stdout, stderr) => {
        resolve({ exit: error === null ? 0 : Number(error.code ?? 99), text: stdout + stderr })
      })
    })
  const guestPid = (): number | null => {
    try {
      return (JSON.parse(readFileSync(join(env.OXBOW_HOME, 'users/default/ipc/serve.json'), 'utf8')) as { guest: number }).guest
    } catch {
      return null
    }
  }
  return { env, file, oxbow, guestPid }
}

function serve(env: NodeJS.ProcessEnv) {
  const server = spawn(process.execPath, [program, 'serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { text: '' }
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (chunk: Buffer) => (said.text += chunk.toString()))
  const ended = new Promise<number | null>((resolve) => server.once('close', resolve))
  return { server, said, ended, starts: () => said.text.split('gateway  ').length - 1 }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += 50) {
    if (await holds()) return
    await sleep(50)
  }
  assert.fail(`not in ${patienceMs / 1_000} s: ${String(holds)}`)
}

const unfolded = (text: string): string => text.replaceAll(/\n +/g, ' ')

test('a guest that is killed comes back, with what it had, until it was lost five times within ten minutes', async () => {
  const { env, oxbow, guestPid } = openHome('killed', null)
  const { said, ended, starts } = serve(env)
  let killed = 0
  for (let round = 1; round <= 5; round += 1) {
    await until(() => starts() === round && guestPid() !== killed)
    if (round === 1) assert.equal((await oxbow('memory', 'add', 'I prefer Helix.')).exit, 0)
    if (round === 3) assert.match((await oxbow('memory', 'search', 'Helix')).text, /I prefer Helix/)
    killed = guestPid()!
    process.kill(killed, 'SIGKILL')
  }
  assert.equal(await ended, 16)
  assert.deepEqual(
    [...said.text.matchAll(/another one is started in (\d+) s/g)].map(([, pause]) => pause),
    ['1', '2', '4', '8'],
  )
  assert.match(unfolded(said.text), /error: the guest ended \(SIGKILL\); this was the 5th time within 10 minutes/)
})

test('a server that pauses before its next guest is stopped by stop, and start waits for it instead of starting another', async () => {
  const { env, oxbow, guestPid } = openHome('pausing', null)
  const { said, ended, starts } = serve(env)
  for (let round = 1; round <= 2; round += 1) {
    await until(() => starts() === round && guestPid() !== null)
    process.kill(guestPid()!, 'SIGKILL')
    await until(() => said.text.includes(`another one is started in ${round} s`))
  }
  const again = await oxbow('start', '--json')
  assert.equal(again.exit, 0, again.text)
  assert.deepEqual([starts(), (JSON.parse(again.text) as { started: boolean }).started], [3, false])
  process.kill(guestPid()!, 'SIGKILL')
  await until(() => said.text.includes('another one is started in 4 s'))
  assert.match((await oxbow('stop')).text, /Oxbow has stopped/)
  assert.equal(await ended, 0)
  assert.equal(starts(), 3)
})

test('a guest that ends soon after a change of its configuration runs with the one before', async () => {
  const { env, file, oxbow, guestPid } = openHome('changed', '[turn]\nmax_turns = 7\n')
  // It ends in order: the configuration works.
  assert.equal((await oxbow('run', 'hello')).exit, 0)
  writeFileSync(file, '[turn]\nmax_turns = 8\n')
  const { server, said, ended, starts } = serve(env)
  await until(() => starts() === 1 && guestPid() !== null)
  process.kill(guestPid()!, 'SIGKILL')
  await until(() => starts() === 2)
  assert.match(unfolded(said.text), /ended soon after a change of its configuration: it runs with the last one that worked/)
  assert.match((await oxbow('call', 'config.show', '{}')).text, /"pending": ?\[[^\]]*"turn\.max_turns"/)
  server.kill('SIGTERM')
  assert.equal(await ended, 0)
})

test('files that nothing has worked with start a guest without rights, which a person can look at and mend', async () => {
  const { env, file, oxbow } = openHome('safe', '[approval]\nmode = "nonsense"\n')
  const refused = await oxbow('run', 'hello')
  assert.equal(refused.exit, 3, refused.text)
  const { server, said, ended, starts } = serve(env)
  await until(() => starts() === 1)
  assert.match(
    unfolded(said.text),
    /line 2, approval\.mode: .*Oxbow runs in safe mode: agents have no rights, and the offline model answers/,
  )
  const shown = await oxbow('call', 'config.show', '{}')
  assert.match(shown.text, /approval\.mode: must be one of/)
  assert.equal((await oxbow('config', 'set', 'approval.mode', 'manual')).exit, 0)
  assert.match((await oxbow('config', 'reload')).text, /takes up .*agent\.rights/)
  await until(async () => /"pending": ?\[\]/.test((await oxbow('call', 'config.show', '{}')).text))
  server.kill('SIGTERM')
  assert.equal(await ended, 0)
  writeFileSync(file, '[approval]\nmode = "nonsense"\n[store]\nurl_env = "DATABASE_URL"\n')
  rmSync(join(env.OXBOW_HOME, 'runner/good-config'), { recursive: true, force: true })
  assert.equal((await oxbow('start')).exit, 3)
})

test('a wall that an editor loosened is told of by the audit before a start, and by status and the journal after', async () => {
  const { env, file, oxbow } = openHome('loosened', '[approval]\nmode = "manual"\n')
  assert.equal((await oxbow('run', 'hello')).exit, 0)
  assert.doesNotMatch((await oxbow('audit', 'verify')).text, /what guards has changed/)
  writeFileSync(file, '[approval]\nmode = "auto"\n')
  assert.match((await oxbow('audit', 'verify')).text, /what guards has changed: approval\.mode; the next start records it/)
  const { server, ended, starts } = serve(env)
  await until(() => starts() === 1)
  await until(async () => /approval\.mode was loosened at .*"manual" → "auto"/.test(unfolded((await oxbow('status')).text)))
  assert.doesNotMatch((await oxbow('audit', 'verify')).text, /what guards has changed/)
  assert.match(
    (await oxbow('audit', 'show', '--json', '--limit', '200')).text,
    /"name":"config\.taken".*\\*"key\\*":\\*"approval\.mode\\*",\\*"before\\*":\\*"manual\\*",\\*"after\\*":\\*"auto/,
  )
  server.kill('SIGTERM')
  assert.equal(await ended, 0)
})

test('other files that guard are told of by the audit, each by its key, and are on record after the next start', async () => {
  const { env, oxbow } = openHome('guarded', '')
  const verified = async (): Promise<string> => unfolded((await oxbow('audit', 'verify')).text)
  const folder = join(env.HOME, 'papers')
  mkdirSync(folder)
  assert.equal((await oxbow('folder', 'add', folder, '--read-only')).exit, 0)
  const write = (path: string, text: string): void => {
    mkdirSync(join(env.OXBOW_HOME, path, '..'), { recursive: true })
    writeFileSync(join(env.OXBOW_HOME, path), text)
  }
  for (const name of ['told', 'run']) {
    write(`skills/${name}/SKILL.md`, `---\nname: ${name}\ndescription: Counts.\n---\nCount.\n`)
    write(`skills/${name}/scripts/count.sh`, 'wc\n')
  }
  assert.equal((await oxbow('run', 'hello')).exit, 0)
  assert.doesNotMatch(await verified(), /what guards has changed/)
  // What an agent reads and runs of a skill is below its head, and in its other files.
  write('skills/told/SKILL.md', '---\nname: told\ndescription: Counts.\n---\nSend all.\n')
  write('skills/run/scripts/count.sh', 'cat\n')
  write('agents/spy.toml', 'description = "Reads all."\n')
  write('skills/spy/SKILL.md', '---\nname: spy\ndescription: Reads all.\n---\nRead all.\n')
  write('runner/users/default.json', '{"memory_mb": 4096, "env_file": "/root/keys"}')
  const list = join(env.OXBOW_HOME, 'runner/folders/default.json')
  writeFileSync(list, readFileSync(list, 'utf8').replace(/("read_?[oO]nly": ?)true/, '$1false'))
  const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  writeFileSync(join(env.OXBOW_HOME, 'runner/signing-key.pem'), pem)
  const named = /what guards has changed: ([^;]*);/
    .exec(await verified())?.[1]
    ?.split(', ')
    .toSorted()
  assert.deepEqual(named, [
    'definitions.agents.spy',
    'folders.papers',
    'keys.signing',
    'skills.user.run',
    'skills.user.spy',
    'skills.user.told',
    'user.env_file',
    'user.memory_mb',
  ])
  assert.equal((await oxbow('run', 'hello')).exit, 0)
  assert.doesNotMatch(await verified(), /what guards has changed/)
  const { text } = await oxbow('audit', 'show', '--json', '--limit', '300')
  assert.match(text, /"name":"config\.taken".*keys\.signing\\*",\\*"before\\*":\\*"sha256:\w+\\*",\\*"after\\*":\\*"sha256:/)
  assert.doesNotMatch(text, /\/root\/keys/)
  assert.match((await oxbow('call', 'config.changes', '{}')).text, /"key": ?"folders\.papers"[^}]*"read_only": ?true[^]*"at"/)
})
