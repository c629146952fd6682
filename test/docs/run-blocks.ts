/**
 * Runs the shell blocks of pages literally: by a real shell, with the program in the path, in a fresh home, next to a guest with the offline
 * model. `PORT` is the port of its gateway, as on the pages.
 */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { program } from '../support/built.ts'
import type { Home } from '../support/program.ts'
import type { DocBlock } from './doc-blocks.ts'

export interface RanBlock {
  readonly exit: number | null
  readonly out: string
}

/** A command of an example that waits for something is a fault of the example. */
const blockTimeoutMs = 60_000

/** @returns a function that runs a block in a home whose guest serves */
export async function openShell(home: Home): Promise<(block: DocBlock) => Promise<RanBlock>> {
  const bin = join(home.folder, 'bin')
  mkdirSync(bin)
  writeFileSync(join(bin, 'oxbow'), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`)
  chmodSync(join(bin, 'oxbow'), 0o755)
  const { out } = await home.oxbow(['status'])
  const [, port = ''] = /127\.0\.0\.1:(\d+)/.exec(out) ?? []
  const env = { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, HOME: home.folder, OXBOW_HOME: home.folder }
  return ({ text }) =>
    new Promise((resolve) => {
      const script = `set -eu\n${text.replaceAll(/\bPORT\b/g, port)}`
      const child = spawn('sh', ['-c', script], { cwd: home.folder, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: blockTimeoutMs })
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (said += bytes.toString()))
      child.once('close', (exit) => resolve({ exit, out: said }))
    })
}
