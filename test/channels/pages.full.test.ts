/** The commands of the pages of channels, run literally, in order, in a fresh home, with a platform on loopback. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { docBlocks } from '../docs/doc-blocks.ts'
import { program } from '../support/built.ts'
import { openHome } from '../support/program.ts'
import { kinds, openPlatform, optionsOf, tokenOf } from './platforms.ts'

/** Whole commands between words: what has a name in capitals is filled in by people. */
const inline = /`(oxbow channel [a-z]+(?: [a-z-]+)*)`/g
const removes = (command: string): boolean => / (?:pause|remove) /.test(command)

for (const kind of kinds)
  test(`the commands of the page of ${kind} end well`, { timeout: 300_000 }, async () => {
    await using fake = await openPlatform(kind)
    await using home = await openHome('[model]\nprovider = "offline"\n')
    const bin = join(home.folder, 'bin')
    mkdirSync(bin)
    // The page is about the real platform: only its address is another one here.
    const options = optionsOf(fake)
      .map((word) => `'${word}'`)
      .join(' ')
    const run = `exec '${process.execPath}' '${program}' "$@"`
    writeFileSync(join(bin, 'oxbow'), `#!/bin/sh\nif [ "$1 $2" = 'channel add' ]; then ${run} ${options}; fi\n${run}\n`)
    chmodSync(join(bin, 'oxbow'), 0o755)
    for (const name of ['token.txt', 'tokens.json']) writeFileSync(join(home.folder, name), `${tokenOf(fake)}\n`)
    const page = `docs/channels/${kind}.md`
    const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8')
    const blocks = docBlocks().filter((block) => block.page === page && block.language === 'sh')
    const named = [...new Set(Array.from(text.matchAll(inline), ([, command = '']) => command))]
    // `add` is in a block, and its name alone in sentences.
    const others = named.filter((command) => !/^oxbow channel add|^oxbow channel [a-z]+$/.test(command) || command === 'oxbow channel list')
    const ordered = [...others.filter((command) => !removes(command)), ...others.filter(removes)]
    assert.ok(blocks.length >= 1 && ordered.length >= 2, JSON.stringify([blocks.length, ordered]))
    const env = { PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`, HOME: home.folder, OXBOW_HOME: home.folder }
    const failed: string[] = []
    for (const script of [...blocks.map((block) => block.text), ...ordered]) {
      const child = spawn('sh', ['-c', `set -eu\n${script}`], { cwd: home.folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
      let said = ''
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => (said += bytes.toString()))
      const exit = await new Promise((resolve) => child.once('close', resolve))
      if (exit !== 0) failed.push(`${script.trim()} ended with ${String(exit)}: ${said}`)
    }
    assert.deepEqual(failed, [])
  })
