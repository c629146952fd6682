/** `oxbow image build` as a person types it; that the image runs is proven where containers are. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { shareCompileCache } from '../../../test/support/compile-cache.ts'
import { errorTable } from '../../base/index.ts'
import { program } from '../../../test/support/built.ts'

let home = ''

async function oxbow(path: string | undefined, ...args: readonly string[]): Promise<{ exit: number | null; err: string }> {
  const child = spawn(process.execPath, [program, ...args], { env: { PATH: path, HOME: home, OXBOW_HOME: home }, cwd: home })
  let err = ''
  child.stdout.resume()
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin.end()
  return new Promise((resolve) => child.once('close', (exit) => resolve({ exit, err })))
}

before(() => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-image-verb-'))
  shareCompileCache(home)
})
after(() => rmSync(home, { recursive: true, force: true }))

void test('an unknown program or engine is refused with a list of the valid ones', async () => {
  const { exit, err } = await oxbow(process.env['PATH'], 'image', 'build', '--with', 'bash,perl')
  assert.equal(exit, errorTable.bad_input.exit)
  assert.match(err, /--with does not support perl\nhint: Give any of ripgrep, git, python, bash/)
  assert.match((await oxbow(process.env['PATH'], 'image', 'build', '--engine', 'rkt')).err, /Give podman or docker/)
})

void test('an engine that does not answer is named, with what to check', async () => {
  // A program that stands for an engine without a service.
  const { writeFileSync, mkdirSync } = process.getBuiltinModule('node:fs')
  mkdirSync(join(home, 'bin'))
  writeFileSync(join(home, 'bin/docker'), '#!/bin/sh\necho "error: no service here" >&2\nexit 1\n', { mode: 0o755 })
  const { exit, err } = await oxbow(`${join(home, 'bin')}:${process.env['PATH']}`, 'image', 'build', '--engine', 'docker')
  assert.equal(exit, errorTable.sandbox_failed.exit)
  assert.match(err, /no service here\nhint: .*docker info/)
})
