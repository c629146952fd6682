import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { complaints, createArguments, execArguments } from './msb-command.ts'
import type { MsbStart } from './msb-command.ts'

const start: MsbStart = {
  name: 'oxbow-1-work',
  image: 'docker.io/library/node:24-slim',
  mounts: [
    { host: '/w/shared', inside: '/shared', writable: true },
    { host: '/c/hands', inside: '/opt/oxbow-hands', writable: false },
  ],
  memoryMb: 1_024,
  processors: 2,
  processes: 256,
  maxFileMb: 64,
  user: 60_999,
  diskMb: 512,
  program: ['node', '/opt/oxbow-hands/hands.cjs', '--alone'],
}

/** @returns what stands behind each time the flag does. */
function valuesOf(args: readonly string[], flag: string): readonly (string | undefined)[] {
  return args.flatMap((each, i) => (each === flag ? [args[i + 1]] : []))
}

describe('the command line of a microsandbox', () => {
  const args = createArguments(start)!
  const run = execArguments(start)

  it('has no network, fetches nothing, and runs as a user without rights, within the limits', () => {
    for (const flag of ['--no-net', '--quiet']) assert.ok(args.includes(flag), flag)
    assert.deepEqual(valuesOf(args, '--pull'), ['never'])
    assert.deepEqual(valuesOf(args, '--security'), ['restricted'])
    for (const each of [args, run]) assert.deepEqual(valuesOf(each, '--user'), ['60999:60999'])
    assert.deepEqual(valuesOf(run, '--rlimit'), ['nproc=256', 'nofile=1024', `fsize=${64 * 1024 * 1024}`])
    assert.deepEqual([valuesOf(args, '--memory'), valuesOf(args, '--cpus')], [['1024M'], ['2']])
  })

  it('shows what is to be seen, no more, and what is not to be written read-only', () => {
    assert.deepEqual(valuesOf(args, '--mount-dir'), [
      '/w/shared:/shared:nosuid,nodev,quota=512M,uid=60999,gid=60999',
      '/c/hands:/opt/oxbow-hands:ro',
    ])
  })

  it('ends with the image and the program, so that no word of these is a flag', () => {
    assert.equal(args.at(-1), start.image)
    assert.deepEqual(run.slice(run.indexOf('--') - 1), [start.name, '--', ...start.program])
  })

  it('is not made of paths that would say more than one thing', () => {
    for (const host of ['/w/a:b', '/w/a,uid=0', '/w/a\nb']) {
      assert.equal(createArguments({ ...start, mounts: [{ host, inside: '/shared', writable: true }] }), null)
    }
  })
})

describe('what msb complains of', () => {
  it('is one line without folders of the host', () => {
    const said = [
      'info MSB_HOME: /home/ada/.microsandbox',
      '   ✗ CPU virt     not found',
      'error: CPU virtualization is not available',
      '  → no vmx (Intel) or svm (AMD) flag in /proc/cpuinfo',
      '  → see /home/ada/.microsandbox/logs/x.log',
    ].join('\n')
    assert.equal(complaints(said), 'CPU virtualization is not available; no vmx (Intel) or svm (AMD) flag in /proc/cpuinfo; see …')
    assert.equal(complaints('all well'), '')
  })
})
