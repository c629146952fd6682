/** `oxbow serve` of a home, which is killed with everything that it started, and verbs that ask it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { program } from './built.ts'
import { inTime } from './patience.ts'

export interface Killable {
  serve(): Promise<ChildProcess>
  /** With everything that it started. */
  die(child: ChildProcess): Promise<void>
  oxbow(...args: readonly string[]): Promise<string>
}

/** @param home that has a configuration */
export function killable(home: string): Killable {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const serve = async (): Promise<ChildProcess> => {
    const child = spawn(process.execPath, [program, 'serve'], { env, cwd: home, detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    const serves = new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString()
        if (said.includes('Ctrl+C stops it.')) resolve()
      })
    })
    await inTime(serves, () => `the guest to serve; it says: ${said}`)
    return child
  }
  const die = async (child: ChildProcess): Promise<void> => {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    process.kill(-child.pid!, 'SIGKILL')
    await gone
  }
  const oxbow = (...args: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      const child = spawn(process.execPath, [program, ...args], { env, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] })
      let out = ''
      child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
      child.once('close', () => resolve(out))
    })
  return { serve, die, oxbow }
}
