/**
 * What the paths lead over: a workspace on disk with hands in their real sandbox, or one in memory for recipes that need no disk, which
 * takes a tenth of the time. Labels see both alike: each touch is a request to hands.
 */
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createFakeSandbox } from '../../src/sandbox/fake/fake-sandbox.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'
import type { HandsOps, Sandbox } from '../../src/protocol/index.ts'

export interface Ground extends AsyncDisposable {
  readonly sandbox: Sandbox
  /** The workspace on the host; null: it is in memory, and has neither versions nor skills. */
  readonly root: string | null
  /** By paths as hands name them; null: no file is there. */
  read(path: string): string | null
  write(path: string, text: string): void
  /** @returns what is in /shared and /tmp */
  top(): readonly string[]
  remove(path: string): void
}

export async function onDisk(): Promise<Ground> {
  const bench = await makeWorkbench()
  const { root, sandbox } = bench
  const here = (path: string): string => join(root, path)
  return {
    sandbox,
    root,
    read: (path) => readFollowed(root, path),
    write(path, text) {
      const folder = dirname(here(path))
      mkdirSync(folder, { recursive: true })
      if (path.split('/').length > 3) chmodSync(folder, 0o777)
      writeFileSync(here(path), text)
      chmodSync(here(path), 0o666)
    },
    top: () => ['/shared', '/tmp'].flatMap((folder) => readdirSync(here(folder)).map((name) => `${folder}/${name}`)),
    remove: (path) => rmSync(here(path), { recursive: true, force: true }),
    [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
  }
}

/** Links name paths of the sandbox. */
function readFollowed(root: string, path: string): string | null {
  const here = join(root, path)
  if (lstatSync(here, { throwIfNoEntry: false })?.isSymbolicLink() === true) return readFollowed(root, readlinkSync(here))
  return existsSync(here) ? readFileSync(here, 'utf8') : null
}

export function inMemory(): Ground {
  const [files, vault] = [new Map<string, string>(), new Map<string, string>()]
  const sandbox = createFakeSandbox(files, { run: async (input) => runCommand(files, input) })
  const mapOf = (path: string): Map<string, string> => (path.startsWith('/vault/') ? vault : files)
  const isIn = (path: string) => (file: string) => file === path || file.startsWith(`${path}/`)
  return {
    sandbox: { ...sandbox, hands: (profile) => (profile === 'vault-read' ? handsOfVault(vault) : sandbox.hands(profile)) },
    root: null,
    read: (path) => mapOf(path).get(path) ?? null,
    write: (path, text) => void mapOf(path).set(path, text),
    top: () => [...new Set([...files.keys()].map((path) => path.split('/').slice(0, 3).join('/')))],
    remove(path) {
      for (const file of [...files.keys()].filter(isIn(path))) files.delete(file)
    },
    [Symbol.asyncDispose]: () => sandbox.close(),
  }
}

/** Hands in memory know the workspace alone: the vault is a folder of another one. */
function handsOfVault(vault: ReadonlyMap<string, string>): ReturnType<Sandbox['hands']> {
  const moved = new Map([...vault].map(([path, text]) => [`/shared${path}`, text]))
  return createFakeSandbox(moved)
    .hands('work')
    .then(({ ask }) => ({
      ask: (op, input, options) => ask(op, { ...input, path: `/shared${(input as { path: string }).path}` }, options),
    }))
}

type Input = HandsOps['exec']['input']

/** The few commands that recipes use, on the files in memory. */
function runCommand(files: Map<string, string>, { command, program, stdin }: Input): { stdout: string; exitCode: number } {
  if (program !== undefined) return runProgram(files, program.argv, stdin)
  let stdout = ''
  let exitCode = 0
  for (const line of command.split(/; |\n/)) {
    for (const either of line.split(' || ')) {
      const [before = '', target] = either.split(' > ')
      const done = runProgram(files, before.trim().split(' '), '')
      exitCode = done.exitCode
      if (target !== undefined && exitCode === 0) files.set(target.trim(), done.stdout)
      else stdout += done.stdout
      if (exitCode === 0) break
    }
  }
  return { stdout, exitCode }
}

function runProgram(files: Map<string, string>, [name, ...args]: readonly string[], stdin: string): { stdout: string; exitCode: number } {
  const [from = '', to = ''] = args
  const text = files.get(from)
  if (name === 'echo') return { stdout: `${args.join(' ')}\n`, exitCode: 0 }
  if (name === 'mkdir') return { stdout: '', exitCode: 0 }
  if (name === 'tee') return { stdout: (files.set(from, stdin), stdin), exitCode: 0 }
  if (name === 'ls') {
    const inside = [...files.keys()].filter((path) => path.startsWith(`${from}/`)).map((path) => path.slice(from.length + 1))
    return { stdout: `${inside.join('\n')}\n`, exitCode: 0 }
  }
  if (text === undefined) return { stdout: '', exitCode: 1 }
  if (name === 'cat') return { stdout: text, exitCode: 0 }
  if (name !== 'cp' && name !== 'mv') return { stdout: '', exitCode: 127 }
  files.set(to, text)
  if (name === 'mv') files.delete(from)
  return { stdout: '', exitCode: 0 }
}
