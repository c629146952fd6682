/** Runs verbs of a version of Oxbow as a person would: what versions expect of each other is their command line, and nothing else. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { isObject, OxbowError, parseObject } from '../../base/index.ts'
import type { HostEnv } from '../home.ts'
import { asPartOfChange } from './change.ts'
import { maxPrintedChars, stepMs } from './limits.ts'
import type { Installed } from './versions.ts'

export interface Verb {
  readonly exit: number
  readonly out: string
  /** What it says of its failure. */
  readonly message: string
}

/**
 * @param env its variables
 * @param isLaunched whether it may be another version that runs: the one that is current
 * @returns how it ended, whatever it did
 */
export function runVerb(
  { node, root }: Pick<Installed, 'node' | 'root'>,
  args: readonly string[],
  env: HostEnv,
  { timeoutMs = stepMs, isLaunched = false }: RunOptions = {},
): Promise<Verb> {
  const variables = isLaunched ? env : { ...env, OXBOW_THIS_VERSION: '1' }
  // A group of its own: Ctrl+C reaches who started the change, which ends it in order.
  const child = spawn(node, [join(root, 'bin', 'oxbow.js'), ...args], {
    env: asPartOfChange(variables),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { out: '', err: '' }
  const late = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out = `${said.out}${text}`.slice(-maxPrintedChars)))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err = `${said.err}${text}`.slice(-maxPrintedChars)))
  return new Promise((resolve) => {
    const end = (exit: number, why: string): void => {
      clearTimeout(late)
      resolve({ exit, out: said.out, message: exit === 0 ? '' : why })
    }
    child.once('error', ({ message }) => end(1, message))
    child.once('close', (code, signal) => {
      if (signal !== null) end(1, signal === 'SIGKILL' ? `it did not end within ${timeoutMs / 1_000} s` : `it ended with ${signal}`)
      else end(code ?? 1, failureIn(said.err) || `exit code ${code}`)
    })
  })
}

interface RunOptions {
  readonly timeoutMs?: number
  readonly isLaunched?: boolean
}

/** @returns what the failure says, from the object that a verb with `--json` prints, or from the lines that it prints to a person */
export function failureIn(errors: string): string {
  for (const line of errors.split('\n').toReversed()) {
    const said = parseObject(line)?.['error']
    if (isObject(said) && typeof said['message'] === 'string') return said['message']
  }
  return /^error: (.+(?:\n {2,}.*)*)/m.exec(errors)?.[1]?.replaceAll(/\n +/g, ' ') ?? errors.trim().slice(-500)
}

/** @returns the last object that a verb prints with `--json`. @throws OxbowError `tool_failed` when it fails */
export async function askVerb(
  version: Installed,
  args: readonly string[],
  env: HostEnv,
  options?: RunOptions,
): Promise<Readonly<Record<string, unknown>>> {
  const { exit, out, message } = await runVerb(version, [...args, '--json'], env, options)
  const said = parseObject(out.trimEnd().split('\n').at(-1) ?? '')
  if (exit === 0 && said !== null) return said
  throw new OxbowError('tool_failed', `\`oxbow ${args.join(' ')}\` of ${version.version}: ${message || 'it printed no answer'}`, {
    hint: '`oxbow logs` may say more.',
    data: { exit },
  })
}
