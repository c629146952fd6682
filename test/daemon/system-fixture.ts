/** The daemon of a machine with two real Unix users, who exist while a test runs. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { daemonEntry, program } from '../support/built.ts'
import { askSocket, type Ended, ended, type Reply, run, until } from './daemon-fixture.ts'

/** Why a test with Unix users cannot run here; false: it can. */
export const withoutUsers: string | false =
  process.getuid?.() !== 0
    ? 'only root can make Unix users: run it as root, in a machine of its own'
    : !existsSync('/usr/sbin/useradd')
      ? 'useradd is missing'
      : false

export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  /** Of the person. */
  readonly home: string
  /** Of Oxbow. */
  readonly oxbowHome: string
}

export interface Machine extends AsyncDisposable {
  readonly root: string
  readonly accounts: readonly Account[]
  daemon(): Promise<ChildProcess>
  /** As root. */
  oxbow(...words: readonly string[]): Promise<Ended>
  /** As a user, on their own account. */
  as(account: Account, ...words: readonly string[]): Promise<Ended>
  /** A command of a shell as a user, on their own account. */
  sh(account: Account, script: string, ...args: readonly string[]): Promise<Ended>
  ask(op: string, input?: object): Promise<Reply>
}

export function openMachine(count = 2): Machine {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-machine-'))
  chmodSync(folder, 0o755)
  const root = join(folder, 'var')
  const accounts = Array.from({ length: count }, (_, at): Account => {
    const name = `oxbow-t${process.pid % 100_000}-${at}`
    const home = join(folder, name)
    execFileSync('useradd', ['--create-home', '--home-dir', home, '--shell', '/bin/sh', name], { stdio: 'ignore' })
    chmodSync(home, 0o700)
    const id = (what: string): number => Number(execFileSync('id', [what, name], { encoding: 'utf8' }))
    return { name, uid: id('-u'), gid: id('-g'), home, oxbowHome: join(root, 'users', name) }
  })
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: join(folder, 'root'),
    OXBOW_SYSTEM_ROOT: root,
    OXBOW_MACHINE_CONFIG: join(folder, 'config.toml'),
  }
  mkdirSync(env.HOME)
  const children: ChildProcess[] = []
  const envOf = ({ home, name }: Account) => ({
    PATH: '/usr/bin:/bin',
    HOME: home,
    USER: name,
    OXBOW_SYSTEM_ROOT: root,
    OXBOW_MACHINE_CONFIG: env.OXBOW_MACHINE_CONFIG,
  })
  /** As `su` would, without other groups. */
  const setpriv = ({ uid, gid }: Account): readonly string[] => ['--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--']
  return {
    root,
    accounts,
    async daemon() {
      const child = spawn(process.execPath, [daemonEntry, '--system'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
      children.push(child)
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()))
      await until(
        () => said.includes('admin.sock') || child.exitCode !== null,
        () => said,
      )
      if (child.exitCode !== null) throw new Error(`the daemon ended: ${said}`)
      return child
    },
    oxbow: (...words) => run(process.execPath, [program, ...words], env),
    as: (account, ...words) =>
      run('setpriv', [...setpriv(account), process.execPath, program, ...words], envOf(account), { cwd: account.home }),
    sh: (account, script, ...args) =>
      run('setpriv', [...setpriv(account), '/bin/sh', '-c', script, 'sh', ...args], envOf(account), { cwd: account.home }),
    ask: (op, input = {}) => askSocket(join(root, 'control/admin.sock'), { id: '1', op, input }),
    async [Symbol.asyncDispose]() {
      for (const child of children) if (child.exitCode === null && child.signalCode === null) await ended(child, 'SIGTERM')
      for (const { name, uid } of accounts) {
        // What a test has started for them.
        await run('pkill', ['-KILL', '-U', String(uid)], { PATH: '/usr/bin:/bin' })
        execFileSync('userdel', ['--force', name], { stdio: 'ignore' })
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
