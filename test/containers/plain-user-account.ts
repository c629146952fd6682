/** An account of a test's own, as people have one: without rights, with a home, and with ids below it that its containers may use. */
import { execFileSync, spawn } from 'node:child_process'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { findProgram, ownSearchPath } from '../../src/sandbox/host-programs.ts'

export interface PlainAccount extends AsyncDisposable {
  readonly uid: number
  /** Home, place for temporary files, and what a login gives for sockets. */
  readonly home: string
  /** Command that runs a program as this account. */
  readonly stepDown: readonly string[]
  /** Runs Node as this account until it ends. */
  run(...args: readonly string[]): Promise<{ readonly exitCode: number | null; readonly said: string }>
}

const asRoot = process.getuid?.() === 0

/** False where there can be one; else the reason for a test that is skipped. */
export function withoutPlainAccount(): string | false {
  const needed = [['newuidmap', 'uidmap'], ['setpriv', 'util-linux'], ...(asRoot ? ([['useradd', 'passwd']] as const) : [])] as const
  const missing = needed.filter(([program]) => findProgram(program, systemPath()) === null).map(([, install]) => install)
  if (missing.length > 0) return `containers without root need more: apt-get install ${missing.join(' ')}`
  if (asRoot) return false
  const { username } = userInfo()
  if (readFileSync('/etc/subuid', 'utf8').includes(`${username}:`)) return false
  return `${username} has no ids for containers: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ${username}`
}

function systemPath(): string {
  return `${ownSearchPath()}:/usr/sbin:/sbin`
}

/** Who runs the tests, unless that is root: then a new one. */
export async function openPlainAccount(): Promise<PlainAccount> {
  const home = await mkdtemp(join(tmpdir(), 'oxbow-plain-'))
  await mkdir(join(home, 'run'), { mode: 0o700 })
  const name = `oxbow-t${process.pid}`
  if (asRoot) execFileSync(findProgram('useradd', systemPath())!, ['--no-create-home', '--home-dir', home, '--user-group', name])
  const uid = asRoot ? Number(execFileSync('id', ['-u', name], { encoding: 'utf8' })) : process.getuid!()
  const gid = asRoot ? Number(execFileSync('id', ['-g', name], { encoding: 'utf8' })) : process.getgid!()
  if (asRoot) for (const path of [home, join(home, 'run')]) await chown(path, uid, gid)
  const stepDown = asRoot ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'] : []
  const env = {
    PATH: systemPath(),
    HOME: home,
    TMPDIR: home,
    XDG_RUNTIME_DIR: join(home, 'run'),
    USER: asRoot ? name : userInfo().username,
  }
  return {
    uid,
    home,
    stepDown,
    run(...args) {
      const child = spawn('/usr/bin/env', [...stepDown, process.execPath, ...args], { env, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] })
      const said: string[] = []
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => said.push(bytes.toString()))
      return new Promise((resolve) => child.once('close', (exitCode) => resolve({ exitCode, said: said.join('') })))
    },
    async [Symbol.asyncDispose]() {
      // Podman keeps a process that holds the account's namespace.
      for (const pid of processesUnder(home, uid)) process.kill(pid, 'SIGKILL')
      await removeHome(home, stepDown, env)
      if (asRoot) execFileSync(findProgram('userdel', systemPath())!, ['--force', name], { stdio: 'ignore' })
    },
  }
}

/** Of an account that is new all of them; of one that was there those which live in this home. */
function processesUnder(home: string, uid: number): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid) && pid !== process.pid)
    .filter((pid) => {
      try {
        if (statSync(`/proc/${pid}`).uid !== uid) return false
        return asRoot || readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`HOME=${home}\0`)
      } catch {
        return false
      }
    })
}

/** What containers have written belongs to ids that only their own namespace may remove. */
async function removeHome(home: string, stepDown: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  if (!asRoot) execFileSync('/usr/bin/env', [...stepDown, 'podman', 'unshare', 'rm', '-rf', join(home, '.local')], { env, stdio: 'ignore' })
  await rm(home, { recursive: true, force: true })
}
