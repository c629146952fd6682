/**
 * What programs of this machine ask the daemon, over a socket of this machine. Each message is
 *
 *     length u32, big-endian (of what follows) | UTF-8 JSON, at most 128 KiB
 *
 * A client sends requests, each with an id of its own; every request has one reply with the same id, in the order in which they are done. The
 * socket says who asks: an administrator, or one user. Ids and times are as everywhere: unix milliseconds, snake_case.
 */
import { z } from 'zod'
import { logWish, shownLogLine } from './host-view.ts'

/** Of one message, without its length. */
export const maxControlBytes: number = 128 * 1024

export const controlRequest = z.strictObject({
  id: z.string().min(1).max(64).describe('Chosen by the client; the one reply repeats it.'),
  op: z.string().min(1).max(64),
  input: z.record(z.string(), z.unknown()).default({}),
})

const failure = z.object({ code: z.string(), message: z.string(), hint: z.string() })

/** `id` is empty where the request could not be read. */
export const controlReply = z.union([
  z.object({ id: z.string(), ok: z.literal(true), output: z.unknown() }),
  z.object({ id: z.string(), ok: z.literal(false), failure }),
])
export type ControlReply = z.infer<typeof controlReply>

const user = z.string().min(1).max(64)
/** Absent: whom the socket belongs to. */
const whose = { user: user.optional(), all: z.boolean().optional() }
const at = z.number()

const userStatus = z.object({
  user,
  state: z
    .enum(['stopped', 'waiting', 'starting', 'running', 'pausing', 'other', 'idle', 'failed'])
    .describe(
      '`other`: the guest of a terminal serves; `pausing`: before the next start; `idle`: ended until somebody connects; `failed`: given up.',
    ),
  wanted: z.boolean().describe('It is to run whenever the daemon does.'),
  since: at,
  pid: z.int().nullable(),
  url: z.string(),
  losses: z.int().describe('Guests lost since it was started.'),
  reason: z.string().describe('Why it is not running; empty: it is, or nobody wants it.'),
  hint: z.string(),
  limits: z.string().describe('The limits that hold its processes, in words; empty: none.'),
})
export type UserStatus = z.infer<typeof userStatus>

const setting = {
  run: z.boolean().describe('Its guest runs whenever the daemon does.'),
  cpu_weight: z.int().min(1).max(10_000).describe('Its share of the processors when they are scarce, as `cpu.weight` of cgroup v2.'),
  memory_mb: z.int().min(256).nullable().describe('Memory of all its processes. Null: no limit.'),
  max_processes: z.int().min(16).describe('Processes and threads at once.'),
  disk_mb: z.int().min(64).nullable().describe('Disk quota, where the file system has one. Null: none.'),
  env_file: z.string().max(4_096).describe('File with variables for its guest, KEY=VALUE a line, read at each start. Empty: none.'),
}

/** What an administrator sets for a user. */
export const userSettings = z.strictObject({
  run: setting.run.default(false),
  cpu_weight: setting.cpu_weight.default(100),
  memory_mb: setting.memory_mb.default(null),
  max_processes: setting.max_processes.default(512),
  disk_mb: setting.disk_mb.default(null),
  env_file: setting.env_file.default(''),
})
export type UserSettings = z.infer<typeof userSettings>

const chainHead = z.strictObject({ seq: z.int().min(0), hash: z.string().max(200) })

const hostEvent = z.object({ n: z.int(), at, kind: z.string(), user: z.string(), text: z.string() })
export type HostEvent = z.infer<typeof hostEvent>

const environment = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), z.string().max(32_768))

/** By operation: what goes in and what comes out. */
export const controlOperations = {
  health: {
    input: z.strictObject({}),
    output: z.object({
      pid: z.int(),
      version: z.string(),
      mode: z.enum(['personal', 'system']),
      since: at,
      users: z.int(),
      running: z.int(),
      memory_mb: z.number(),
      cpu_s: z.number(),
      problems: z.array(z.string()),
    }),
  },
  status: { input: z.strictObject({ user: user.optional() }), output: z.object({ users: z.array(userStatus) }) },
  start: {
    input: z.strictObject({
      ...whose,
      env: environment.optional().describe('Variables for its guest, until it is stopped.'),
      wake: z.boolean().optional().describe('Only one that is to run: a terminal connects.'),
    }),
    output: z.object({ users: z.array(userStatus.extend({ started: z.boolean() })) }),
  },
  stop: { input: z.strictObject(whose), output: z.object({ users: z.array(userStatus.extend({ stopped: z.boolean() })) }) },
  restart: {
    input: z.strictObject({ ...whose, env: environment.optional() }),
    output: z.object({ users: z.array(userStatus.extend({ started: z.boolean() })) }),
  },
  logs: {
    input: logWish.extend({ user: user.optional().describe('Absent: of the daemon itself, for an administrator.') }),
    output: z.object({ lines: z.array(shownLogLine) }),
  },
  users: {
    input: z.strictObject({
      action: z.enum(['list', 'add', 'set', 'remove']).default('list'),
      user: user.optional(),
      settings: z.strictObject(setting).partial().optional().describe('What is to change; all else stays.'),
      purge: z.boolean().optional(),
    }),
    output: z.object({
      users: z.array(z.object({ user, home: z.string(), settings: userSettings })),
      done: z.string().describe('What was done, in words; empty: nothing.'),
    }),
  },
  config: {
    input: z.strictObject({ user: user.optional() }),
    output: z.object({
      files: z.array(z.string()),
      problem: z.string().describe('Why they cannot be used; empty: they can.'),
      idle_stop_min: z.number(),
    }),
  },
  events: {
    input: z.strictObject({
      after: z.int().min(0).default(0),
      limit: z.int().min(1).max(200).default(100),
      wait_s: z.number().min(0).max(60).default(0).describe('How long to wait for the first one.'),
    }),
    output: z.object({ events: z.array(hostEvent), next: z.int().describe('Ask on after this one.') }),
  },
  upgrade: {
    input: z.strictObject({
      kind: z.enum(['upgrade', 'downgrade']).default('upgrade'),
      version: z
        .string()
        .regex(/^\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[0-9A-Za-z.-]{1,50})?$/, 'must be like 1.2.3')
        .optional()
        .describe('Absent: the newest; of a downgrade the version before.'),
      from: z
        .string()
        .startsWith('/')
        .max(4_096)
        .optional()
        .describe('A package of this machine next to its signed hashes. Not of a downgrade.'),
      dry_run: z.boolean().optional().describe('Only tried on a copy.'),
      yes: z.boolean().optional().describe('Goes down also where the older version cannot read everything.'),
    }),
    output: z.object({
      pid: z
        .int()
        .describe('The process that changes the version. It outlives the daemon, which ends and comes back as the other version.'),
      next: z.int().describe('Events after this one, of the kind `version_change`, tell how far it is.'),
    }),
  },
  seal: {
    input: z.strictObject({ user: user.optional(), from: z.int().min(0).default(0) }),
    output: z.object({ lines: z.array(z.string()), count: z.string().nullable(), public_key: z.string(), more: z.boolean() }),
  },
  sign_export: {
    input: z.strictObject({
      user: user.optional(),
      after: z.int(),
      seq: z.int(),
      hash: z.string().max(200),
      records: z.int(),
      at,
      lines: z.int().min(0).describe('How many of the signed heads go with it.'),
    }),
    output: z.object({ signature: z.string() }),
  },
  sign_restore: {
    input: z.strictObject({
      user: user.optional(),
      restore: z.strictObject({ call: z.string().max(200), from: chainHead, to: chainHead, by: z.string().max(200) }),
    }),
    output: z.object({}),
  },
} as const satisfies Record<string, { readonly input: z.ZodType; readonly output: z.ZodType }>

export type ControlOperation = keyof typeof controlOperations
export type ControlInput<Op extends ControlOperation> = z.input<(typeof controlOperations)[Op]['input']>
export type ControlTaken<Op extends ControlOperation> = z.output<(typeof controlOperations)[Op]['input']>
export type ControlOutput<Op extends ControlOperation> = z.output<(typeof controlOperations)[Op]['output']>
