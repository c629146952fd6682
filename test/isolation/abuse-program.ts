/** Builds the hostile program, and brings it into a sandbox of any tier by what hands offer: nothing else is shared by all. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { asker } from '../../src/sandbox/sandbox-contract.ts'
import type { Sandbox } from '../../src/protocol/index.ts'

const sources = ['abuse.c', 'abuse-files.c', 'abuse-kernel.c', 'abuse-network.c', 'abuse-floods.c']
const flags = ['-static', '-O1', '-s', '-Wall', '-Wno-missing-field-initializers']

/** Where the program is inside. */
export const insidePath = '/shared/abuse'

/** @throws Error that names what to install, where there is no C compiler or no static C library. */
export async function buildAbuse(compiler = 'cc'): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-abuse-'))
  const program = join(folder, 'abuse')
  try {
    await promisify(execFile)(compiler, [...flags, '-o', program, ...sources.map((name) => join(import.meta.dirname, name))])
    return await readFile(program)
  } catch (error) {
    throw new Error('The hostile program cannot be built: apt-get install gcc libc6-dev', { cause: error })
  } finally {
    await rm(folder, { recursive: true })
  }
}

export async function bringAbuse(sandbox: Sandbox, program: Buffer): Promise<void> {
  const ask = asker(sandbox)
  await ask('write', { path: `${insidePath}.base64`, text: program.toString('base64') })
  const command = `base64 -d < abuse.base64 > abuse && rm abuse.base64 && chmod 755 abuse`
  const exec = { command, cwd: '/shared', stdin: '', timeoutMs: 60_000, maxOutputBytes: 10_000 }
  const { exitCode, stderr } = await ask('exec', exec, { timeoutMs: 60_000 })
  if (exitCode !== 0) throw new Error(`The hostile program cannot be brought inside: ${stderr}`)
}
