#!/usr/bin/env node
/**
 * Starts Oxbow on Node 24: the bundle if it was built, else the sources. Plain JavaScript that an old Node can read: its first task
 * is to find a newer Node, the one that npm has installed with Oxbow.
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
        `hint: run npm ci, which installs it on Linux and Windows; elsewhere install it from https://nodejs.org\n`,
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

/** Runs the program with another Node, passes signals on, and exits as it exits. */
function runWith(node) {
  const child = spawn(node, [entry, ...process.argv.slice(2)], { stdio: 'inherit' })
  // Ctrl+C in a terminal reaches the child too, which takes two at once for one; `kill` reaches this process alone.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`error: cannot start ${node}: ${error.message}\nhint: Remove node_modules and run npm ci.\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code === null ? 128 + constants.signals[signal] : code
  })
}
