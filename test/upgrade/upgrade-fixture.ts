/** A home whose launcher is version 0.1.0, with packages of later versions, and the command line as a person types it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Change } from '../../src/runner/upgrade/change.ts'
import type { Ran } from '../support/program.ts'
import { patienceMs } from '../support/patience.ts'
import { builtVersion, type Releases } from './built-versions.ts'

/** A rehearsal on a busy machine takes this long. */
const killMs: number = 5 * patienceMs
/** Larger than any process id of Linux. */
const deadPid = 2 ** 22 + 1

export interface VersionedHome extends AsyncDisposable {
  readonly folder: string
  /** A verb, by the launcher. */
  oxbow(...args: readonly string[]): Promise<Ran>
  /** The last object that a verb prints. @throws Error when it fails */
  json(...args: readonly string[]): Promise<Record<string, unknown>>
  /** Starts a verb, and kills its process when the change of versions is at a step. @returns whether it came there */
  killedAt(step: Change['step'], ...args: readonly string[]): Promise<boolean>
  /** Writes that a change was killed when it began to stop guests. */
  begin(change: Pick<Change, 'kind' | 'from' | 'to'>): void
}

/** Of looks without a pause. */
const lookMs = 200

export function versionedHome({ folder: source, key }: Releases): VersionedHome {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-upgrade-'))
  writeFileSync(
    join(folder, 'config.toml'),
    `[upgrade]\nsource = ${JSON.stringify(source)}\nkeys = [${JSON.stringify(key)}]\nhealth_s = 1\ndrain_s = 1\n`,
  )
  const launcher = join(builtVersion('0.1.0'), 'bin', 'oxbow.js')
  const env = { PATH: process.env['PATH'], HOME: folder, OXBOW_HOME: folder }
  const start = (args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [launcher, ...args], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const oxbow: VersionedHome['oxbow'] = (...args) => {
    const child = start(args)
    const said = { out: '', err: '' }
    child.stdout!.on('data', (text: Buffer) => (said.out += text.toString()))
    child.stderr!.on('data', (text: Buffer) => (said.err += text.toString()))
    return new Promise((resolve) => child.once('close', (exit) => resolve({ exit, ...said })))
  }
  const changeFile = join(folder, 'versions', 'change.json')
  const change = (): Change | null => {
    try {
      return JSON.parse(readFileSync(changeFile, 'utf8')) as Change
    } catch {
      return null
    }
  }
  return {
    folder,
    oxbow,
    begin(begun) {
      const before = change()!
      writeFileSync(
        changeFile,
        JSON.stringify({ ...before, ...begun, step: 'drain', state: 'going', pid: deadPid, at: before.at + 1, failure: null }),
      )
    },
    async json(...args) {
      const { exit, out, err } = await oxbow(...args, '--json')
      if (exit !== 0) throw new Error(`oxbow ${args.join(' ')} ended with ${exit}: ${out}${err}`)
      return JSON.parse(out.trimEnd().split('\n').at(-1)!) as Record<string, unknown>
    },
    async killedAt(step, ...args) {
      const child = start(args)
      const over = new Promise((resolve) => child.once('close', resolve))
      const until = performance.now() + killMs
      const isThere = (): boolean => {
        const now = change()
        return now?.pid === child.pid && now?.step === step
      }
      while (!child.killed && child.exitCode === null && performance.now() < until) {
        // The shortest step takes less than a timer does: looked for without a pause, but for what ends the child.
        const pauseAt = performance.now() + lookMs
        while (!child.killed && performance.now() < pauseAt) if (isThere()) child.kill('SIGKILL')
        await new Promise((resolve) => setImmediate(resolve))
      }
      const wasGoing = child.exitCode === null && child.killed
      child.kill('SIGKILL')
      await over
      return wasGoing
    },
    async [Symbol.asyncDispose]() {
      await oxbow('stop')
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
