/** Modules: what they can do, and that whatever they try ends, within bounds, as an outcome. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ErrorCode } from '../../base/index.ts'
import { OxbowError } from '../../base/index.ts'
import { runTool } from './run-tool.ts'
import { assemble, command, echo, type Import, op, wasiCalls, wasiTool } from './wasm-fixture.ts'
import type { ToolDone, ToolOutcome, WasmTool } from './wasm-tool.ts'

const spin = [...op.loop, ...op.br(0), ...op.end]

const hostCall: Import = { from: 'oxbow', name: 'call', params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] }
/** What the two below point to. */
const texts: { readonly data: readonly (readonly [number, string])[] } = {
  data: [
    [16, 'abcde'],
    [32, 'begun'],
    [40, 'null'],
  ],
}
const callBegun = (index: number): readonly number[] => [op.i32(32), op.i32(5), op.i32(40), op.i32(4), op.call(index), op.drop].flat()

async function done(tool: WasmTool): Promise<ToolDone> {
  const outcome = await runTool(tool)
  assert.ok(outcome.ok, JSON.stringify(outcome))
  return outcome
}

async function failsWith(code: ErrorCode, tool: WasmTool, message = /./): Promise<ToolOutcome> {
  const outcome = await runTool(tool)
  assert.ok(!outcome.ok, 'it did not fail')
  assert.equal(outcome.failure.code, code, outcome.failure.message)
  assert.match(outcome.failure.message, message)
  assert.notEqual(outcome.failure.hint, '')
  return outcome
}

const exitCode = async (code: Uint8Array): Promise<number> => (await done(wasiTool(code))).exitCode

void test('a function with two results takes JSON and gives JSON', async () => {
  const input = { text: 'ä "quoted" \u0000', list: [1, null, true] }
  const { output, exitCode: code, changes, refused } = await done({ kind: 'abi', code: echo, input })
  assert.deepEqual({ output, code, changes, refused }, { output: input, code: 0, changes: [], refused: [] })
})

void test('a function may return one number with the place in it, and is given its input where it asks for it', async () => {
  const code = assemble({
    functions: [
      { export: 'alloc', params: ['i32'], results: ['i32'], body: op.i32(4096) },
      // Takes its input at 4096 for granted, so that another place shows.
      { export: 'tell', params: ['i32', 'i32'], results: ['i64'], body: op.i64((4096n << 32n) | 7n) },
    ],
  })
  assert.equal((await done({ kind: 'abi', code, function: 'tell', input: 'hello' })).output, 'hello')
})

void test('an input larger than the module’s memory makes it grow, within its limit', async () => {
  const input = 'x'.repeat(200_000)
  assert.equal((await done({ kind: 'abi', code: echo, input })).output, input)
  await failsWith('limit_reached', { kind: 'abi', code: echo, input: 'x'.repeat(1_100_000), limits: { memoryMb: 1 } })
})

void test('a function that is not there is named, with those that are', async () => {
  const outcome = await failsWith('not_found', { kind: 'abi', code: echo, function: 'walk', input: 1 }, /"?walk/)
  assert.match(outcome.ok ? '' : outcome.failure.hint, /run/)
  await failsWith('not_found', wasiTool(echo), /_start/)
})

void test('what a function returns must be JSON inside its memory', async () => {
  const returning = (at: number, bytes: number): WasmTool => ({
    kind: 'abi',
    input: null,
    code: assemble({
      functions: [{ export: 'run', params: ['i32', 'i32'], results: ['i32', 'i32'], body: [...op.i32(at), ...op.i32(bytes)] }],
      data: [[500, 'no JSON']],
    }),
  })
  await failsWith('tool_failed', returning(500, 7), /invalid JSON/)
  await failsWith('tool_failed', returning(65_000, 5_000), /outside its memory/)
  await failsWith('limit_reached', returning(0, -1), /4294967295 bytes/)
})

void test('a command reads its input, writes its output, and says by its exit code how it went', async () => {
  const code = command(
    [
      ...op.store32(0, 100), // one vector: 100 bytes at 100
      ...op.store32(4, 100),
      ...[op.i32(0), op.i32(0), op.i32(1), op.i32(8), op.call(1), op.drop].flat(),
      ...[op.i32(4), op.i32(8), op.load, [0x36, 2, 0]].flat(), // as many as were read
      ...[op.i32(1), op.i32(0), op.i32(1), op.i32(8), op.call(2), op.drop].flat(),
      ...op.i32(3),
    ],
    [wasiCalls.read, wasiCalls.write],
  )
  const outcome = await done({ kind: 'wasi', code, input: { n: 'ü' } })
  assert.deepEqual([outcome.stdout, outcome.exitCode], [{ text: '{"n":"ü"}', droppedBytes: 0 }, 3])
})

void test('a module that spins is ended, in a function, in its start function and in a sleep alike', async () => {
  const limits = { timeoutMs: 50 }
  await failsWith('timeout', { ...wasiTool(command([...spin, ...op.i32(0)])), limits }, /50 ms/)
  await failsWith('timeout', { ...wasiTool(assemble({ functions: [{ export: '_start', body: spin }], start: 0 })), limits })
  // One clock subscription, monotonic, 100 seconds.
  const sleep = [...op.store32(16, 1), ...op.store64(24, 100_000_000_000n)]
  const poll = [op.i32(0), op.i32(200), op.i32(1), op.i32(300), op.call(1)].flat()
  await failsWith('timeout', { ...wasiTool(command([...sleep, ...poll], [wasiCalls.poll])), limits })
})

void test('a module that is no longer wanted is ended at once, and one that nobody wants is not started', async () => {
  const unwanted = new AbortController()
  const host = { begun: async () => (unwanted.abort(), null) }
  const code = command([...callBegun(1), ...spin, ...op.i32(0)], [hostCall], texts)
  await failsWith('cancelled', { ...wasiTool(code), host, signal: unwanted.signal })
  await failsWith('cancelled', { ...wasiTool(code), host, signal: unwanted.signal })
})

void test('memory does not grow past its limit, whatever the module declares', async () => {
  const grow = [...op.i32(100), ...op.grow] // 6.25 MiB
  assert.equal((await done({ ...wasiTool(command(grow)), limits: { memoryMb: 1 } })).exitCode, 0xffff_ffff)
  assert.equal(
    (await done({ ...wasiTool(command(grow, [], { memory: [1, 1, 0xff, 0xff, 3] })), limits: { memoryMb: 1 } })).exitCode,
    0xffff_ffff,
  )
  assert.equal((await done({ ...wasiTool(command(grow)), limits: { memoryMb: 10 } })).exitCode, 1)
  await failsWith('limit_reached', { ...wasiTool(command(grow, [], { memory: [0, 17] })), limits: { memoryMb: 1 } }, /2 MiB .* 1 MiB/)
})

void test('a module that traps when its memory is full is told so', async () => {
  const code = command([...op.i32(15), ...op.grow, ...op.drop, ...op.unreachable])
  await failsWith('limit_reached', { ...wasiTool(code), limits: { memoryMb: 1 } }, /all of its memory/)
})

void test('a trap is an error with a code and a hint, as is a stack that is full', async () => {
  await failsWith('tool_failed', wasiTool(command(op.unreachable)), /unreachable/)
  await failsWith('tool_failed', wasiTool(command([...op.i32(-4), ...op.load])), /out of bounds/)
  const deep = assemble({ functions: [{ export: '_start', body: op.call(0) }] })
  await failsWith('limit_reached', wasiTool(deep), /overflowed/)
})

void test('output over its limit is cut and counted, and is there also of a tool that was ended', async () => {
  const write = [op.i32(1), op.i32(0), op.i32(1), op.i32(8), op.call(1), op.drop].flat()
  const writes = [...op.store32(0, 16), ...op.store32(4, 5), ...Array.from({ length: 10 }, () => write).flat()]
  const written = await done({ ...wasiTool(command([...writes, ...op.i32(0)], [wasiCalls.write], texts)), limits: { outputBytes: 12 } })
  assert.deepEqual(
    [written.stdout, written.stderr],
    [
      { text: 'abcdeabcdeab', droppedBytes: 38 },
      { text: '', droppedBytes: 0 },
    ],
  )
  const unwanted = new AbortController()
  const code = command([...writes, ...callBegun(2), ...spin, ...op.i32(0)], [wasiCalls.write, hostCall], texts)
  const ended = await failsWith('cancelled', {
    ...wasiTool(code),
    host: { begun: async () => (unwanted.abort(), null) },
    signal: unwanted.signal,
  })
  assert.equal(ended.stdout.text, 'abcde'.repeat(10))
})

void test('what is no module, and what none is given, is refused before it runs', async () => {
  await failsWith('bad_input', wasiTool(new Uint8Array()))
  await failsWith('bad_input', wasiTool(new TextEncoder().encode('MZ not a module')))
  await failsWith('bad_input', wasiTool(echo.slice(0, -4)))
  const importing = (from: string, name: string): Uint8Array => command(op.i32(0), [{ from, name, params: [], results: ['i32'] }])
  await failsWith('denied', wasiTool(importing('env', 'system')), /env\.system/)
  await failsWith('denied', wasiTool(importing('wasi_snapshot_preview1', 'constructor')), /constructor/)
  await failsWith('denied', wasiTool(importing('oxbow', 'everything')), /everything/)
  await failsWith('limit_reached', wasiTool(new Uint8Array(11 * 1024 * 1024)), /11534336/)
})

void test("limits above the room's are refused, not lowered", async () => {
  await failsWith('bad_input', { ...wasiTool(echo), limits: { memoryMb: 100_000 } }, /memoryMb/)
  await failsWith('bad_input', { ...wasiTool(echo), limits: { timeoutMs: Number.POSITIVE_INFINITY } }, /timeoutMs/)
})

void test('there is no network, and clocks that do not exist say so', async () => {
  const send = [op.i32(3), op.i32(0), op.i32(0), op.i32(0), op.i32(8), op.call(1)].flat()
  assert.equal(await exitCode(command(send, [wasiCalls.connect])), 58) // ENOTSUP
  const askClock = (id: number): Uint8Array => command([op.i32(id), op.i64(1n), op.i32(0), op.call(1)].flat(), [wasiCalls.time])
  assert.deepEqual(await Promise.all([0, 1, 2, 3, 9].map((id) => exitCode(askClock(id)))), [0, 0, 28, 28, 28])
})

void test('a command sees only its mounts, and what it writes comes back', async () => {
  const mount = { guest: '/work', mode: 'rw', files: [{ path: 'a', bytes: new TextEncoder().encode('old') }] } as const
  // The first mount is descriptor 3. Creates, with every right.
  const opening = (path: string, mode: 'ro' | 'rw'): WasmTool => ({
    ...wasiTool(
      command(
        [
          ...[op.i32(3), op.i32(0), op.i32(100), op.i32(path.length), op.i32(9), op.i64(-1n), op.i64(0n), op.i32(0), op.i32(0)].flat(),
          ...op.call(1),
        ],
        [wasiCalls.open],
        { data: [[100, path]] },
      ),
    ),
    mounts: [{ ...mount, mode }],
  })
  const tried = async (path: string, mode: 'ro' | 'rw'): Promise<number> => (await done(opening(path, mode))).exitCode
  assert.deepEqual(
    await Promise.all([tried('../a', 'rw'), tried('/etc/passwd', 'rw'), tried('a', 'ro'), tried('new', 'ro')]),
    [76, 76, 69, 69], // ENOTCAPABLE, EROFS
  )
  assert.deepEqual((await done(opening('new', 'rw'))).changes, [{ kind: 'written', path: '/work/new', bytes: new Uint8Array() }])
  const linking = [op.i32(100), op.i32(11), op.i32(3), op.i32(120), op.i32(1), op.call(1)].flat()
  const code = command(linking, [wasiCalls.symlink], {
    data: [
      [100, '/etc/passwd'],
      [120, 'l'],
    ],
  })
  const linked = await done({ ...wasiTool(code), mounts: [mount] })
  assert.deepEqual([linked.exitCode, linked.changes], [58, []]) // ENOTSUP
})

void test('what a module passes is measured before anything is made of it', async () => {
  const opening = [op.i32(3), op.i32(0), op.i32(0), op.i32(50_000), op.i32(0), op.i64(0n), op.i64(0n), op.i32(0), op.i32(0), op.call(1)]
  const writing = [op.i32(1), op.i32(0), op.i32(-1), op.i32(8), op.call(1)]
  assert.equal(await exitCode(command(opening.flat(), [wasiCalls.open])), 37) // ENAMETOOLONG
  assert.equal(await exitCode(command(writing.flat(), [wasiCalls.write])), 28) // EINVAL
  const calling = [op.i32(0), op.i32(60_000), op.i32(0), op.i32(1), op.call(1)]
  const { refused } = await done(wasiTool(command(calling.flat(), [hostCall])))
  assert.deepEqual(refused, [])
})

void test('what a module keeps open is bounded, and what it closes is given out again: a flood once took the whole process down', async () => {
  const mounts = [{ guest: '/w', mode: 'rw' as const, files: [{ path: 'a', bytes: new Uint8Array(1) }] }]
  const opening = [3, 0, 0, 1, 0].flatMap(op.i32).concat(op.i64(0n), op.i64(0n), op.i32(0), op.i32(100), op.call(1))
  const close: Import = { from: 'wasi_snapshot_preview1', name: 'fd_close', params: ['i32'], results: ['i32'] }
  // Ends with the first problem of an opening, or with the number that the last of 3 000 was given.
  const until = (each: readonly number[]): Uint8Array =>
    command(
      [
        ...op.loop,
        ...opening,
        0x04,
        0x40,
        ...op.i32(255),
        ...op.call(0),
        ...op.end,
        ...each,
        ...op.i32(200),
        ...[op.i32(200), op.load, op.i32(1), op.add, [0x36, 0x02, 0x00]].flat(),
        ...[op.i32(200), op.load, op.i32(3_000), [0x49, 0x0d, 0x00]].flat(),
        ...op.end,
        ...op.i32(100),
        ...op.load,
      ],
      [wasiCalls.open, close],
      { data: [[0, 'a']] },
    )
  assert.equal((await done({ ...wasiTool(until([])), mounts })).exitCode, 255)
  const closing = [...op.i32(100), ...op.load, ...op.call(2), ...op.drop]
  assert.equal((await done({ ...wasiTool(until(closing)), mounts })).exitCode, 4)
})

void test('JSON that could not be written again is no answer', async () => {
  const text = '['.repeat(5_000) + ']'.repeat(5_000)
  const body = [...op.i32(16), ...op.i32(text.length)]
  const code = assemble({ functions: [{ export: 'run', params: ['i32', 'i32'], results: ['i32', 'i32'], body }], data: [[16, text]] })
  await failsWith('tool_failed', { kind: 'abi', code, input: null }, /nested too deeply/)
})

void test('a run that fails gives no files back', async () => {
  const outcome = await runTool({ ...wasiTool(command(op.unreachable)), mounts: [{ guest: '/w', mode: 'rw', files: [] }] })
  assert.equal('changes' in outcome, false)
})

void test('mounts whose paths lead anywhere else are refused', async () => {
  const files = (...paths: readonly string[]) => paths.map((path) => ({ path, bytes: new Uint8Array() }))
  const refused = [
    [{ guest: '/a', files: files('../x') }],
    [{ guest: '/a', files: files('/x') }],
    [{ guest: '/a', files: files('x//y') }],
    [{ guest: '/a', files: files('x', 'x') }],
    [{ guest: '/a', files: files('x', 'x/y') }],
    [{ guest: '/a', files: files('x\0y') }],
    [{ guest: 'a', files: [] }],
    [{ guest: '/', files: [] }],
    [{ guest: '/a/..', files: [] }],
    [
      { guest: '/a', files: [] },
      { guest: '/a/b', files: [] },
    ],
  ]
  for (const mounts of refused) {
    await failsWith('path_refused', { ...wasiTool(echo), mounts: mounts.map((each) => ({ ...each, mode: 'ro' as const })) })
  }
  const large = [{ guest: '/a', mode: 'ro', files: [{ path: 'x', bytes: new Uint8Array(101) }] }] as const
  await failsWith('limit_reached', { ...wasiTool(echo), mounts: large, limits: { fileBytes: 100 } })
})

/** Calls the function of the host that its memory names and returns the reply. */
const asking = (name: string, input: string): Uint8Array =>
  assemble({
    imports: [
      { from: 'oxbow', name: 'call', params: ['i32', 'i32', 'i32', 'i32'], results: ['i32'] },
      { from: 'oxbow', name: 'take', params: ['i32', 'i32'], results: ['i32'] },
    ],
    functions: [
      {
        export: 'run',
        params: ['i32', 'i32'],
        results: ['i32', 'i32'],
        body: [
          ...[op.i32(100), op.i32(name.length), op.i32(200), op.i32(input.length), op.call(0), op.drop].flat(),
          ...[op.i32(1000), op.i32(1000), op.i32(5000), op.call(1)].flat(),
        ],
      },
    ],
    data: [
      [100, name],
      [200, input],
    ],
  })

void test('a function of the host answers while its event loop stays free, and what it throws arrives as code, message and hint', async () => {
  const ask = (name: string, input: string) =>
    done({
      kind: 'abi',
      code: asking(name, input),
      input: null,
      host: {
        'text.upper': async (text) => {
          await new Promise((resolve) => setImmediate(resolve))
          return (text as string).toUpperCase()
        },
        'file.read': () => Promise.reject(new OxbowError('not_found', 'no such file', { hint: 'list them' })),
        broken: () => Promise.reject(new Error('/home/ada/secret')),
      },
    })
  assert.deepEqual((await ask('text.upper', '"hello"')).output, { ok: 'HELLO' })
  assert.deepEqual((await ask('file.read', '1')).output, { error: { code: 'not_found', message: 'no such file', hint: 'list them' } })
  assert.doesNotMatch(JSON.stringify((await ask('broken', '1')).output), /secret/)
  assert.match(JSON.stringify(await ask('broken', '{')), /bad_input/)
})

void test('a function of the host without a right is refused and named, also one that every object has', async () => {
  for (const name of ['file.write', 'constructor', '__proto__']) {
    const { output, refused } = await done({ kind: 'abi', code: asking(name, '{}'), input: null, host: { 'file.read': async () => 1 } })
    assert.equal((output as { error: { code: string } }).error.code, 'denied')
    assert.deepEqual(refused, [name])
  }
})

void test('a thread leaves nothing behind, however its tool ended', async () => {
  const left = (): readonly string[] => process.getActiveResourcesInfo().filter((name) => /Worker|MessagePort|Timeout/.test(name))
  const before = left()
  const [never, unwanted] = [new AbortController(), new AbortController()]
  let told: AbortSignal | null = null
  await Promise.all([
    runTool({ kind: 'abi', code: echo, input: 1, signal: never.signal }),
    runTool(wasiTool(command(op.unreachable))),
    runTool({ ...wasiTool(command([...spin, ...op.i32(0)])), limits: { timeoutMs: 20 } }),
    // The host never answers: the thread waits, and is ended all the same.
    runTool({
      kind: 'abi',
      code: asking('never', '1'),
      input: 1,
      signal: unwanted.signal,
      host: {
        never: (_, signal) => {
          told = signal
          setImmediate(() => unwanted.abort())
          return new Promise(() => {})
        },
      },
    }),
  ])
  assert.deepEqual(left(), before)
  assert.equal((told as AbortSignal | null)?.aborted, true)
})
