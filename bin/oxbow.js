#!/usr/bin/env node
/**
 * Starts Oxbow on Node 24: the bundle when it was built, the sources when not. Plain JavaScript that an old Node can read, because
 * its first duty is to find a newer Node: the one that npm has installed beside Oxbow.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { fileURLToPath, pathToFileURL } from 'node:url'

const wantedMajor = 24

const beside = (path) => fileURLToPath(new URL(path, import.meta.url))
const built = beside('../dist/oxbow.js')
const entry = existsSync(built) ? built : beside('../src/cli/main.ts')

if (Number(process.versions.node.split('.')[0]) >= wantedMajor) {
  await import(pathToFileURL(entry).href)
} else {
  const node = findNode()
  if (node === null) {
    process.stderr.write(
      `error: Oxbow needs Node ${wantedMajor} or newer; this is Node ${process.versions.node}\n` +
        `hint: npm ci brings it along on Linux and Windows; elsewhere install it from https://nodejs.org\n`,
    )
    process.exitCode = 1
  } else {
    runWith(node)
  }
}

/** The Node that the package's optional dependencies bring. */
function findNode() {
  const suffix = process.platform === 'win32' ? 'node.exe' : 'node'
  const platform = process.platform === 'win32' ? 'win' : process.platform
  try {
    return createRequire(import.meta.url).resolve(`node-${platform}-${process.arch}/bin/${suffix}`)
  } catch {
    return null
  }
}

/** Hands everything over, and ends as the other ends. */
function runWith(node) {
  const child = spawn(node, [entry, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl+C reaches both; the child decides what it means.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => signal !== 'SIGINT' && child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`error: ${node} cannot be started: ${error.message}\nhint: remove node_modules and run npm ci\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code === null ? 128 + constants.signals[signal] : code
  })
}
