/** The part of the configuration that is about the kernel: turns, approvals, resources. */
import { z } from 'zod'
import { ownValue } from '../base/index.ts'

const decision = z.enum(['allow', 'ask', 'deny'])
export type Decision = z.infer<typeof decision>

const ownFlow = (what: string): z.ZodDefault<z.ZodNullable<typeof decision>> =>
  decision.nullable().default(null).describe(`Like \`flow.${what}\`, for this call only. Unset: \`flow.${what}\` applies.`)

const pattern = z.string().min(1).max(500).optional()
const maxFlowRules = 200

const namesOne = (conditions: readonly string[]) => (rule: object) =>
  conditions.some((name) => ownValue(rule as Record<string, unknown>, name) !== undefined)

/** @returns whether the text is a pattern of `[exec]`: the name of a program, then patterns of its arguments */
export function isProgramPattern(text: string): boolean {
  return /^[A-Za-z0-9_.+*][A-Za-z0-9_.+*-]{0,99}(?: +[^\s\0]+)*$/.test(text)
}

const programPatterns = z
  .array(z.string().max(500).refine(isProgramPattern, 'must be the name of a program, without a path, and patterns of its arguments'))
  .max(1_000)
  .default([])

const percent = z.number().min(1).max(100)

export const kernelConfig = {
  turn: z
    .strictObject({
      max_turns: z.int().min(1).max(1000).default(100).describe('Maximum model calls in one turn.'),
      time_limit_s: z.int().min(1).default(3_600).describe('Time limit of one turn in seconds, not counting waits for approval.'),
      max_running: z
        .int()
        .min(1)
        .max(10_000)
        // Turns that run at once share commits: 64 sessions take a sixth less processor time than with 10, and no less with 64.
        .default(32)
        .describe('Turns of people and programs that run at once; others wait in order. One that waits for an approval does not count.'),
    })
    .prefault({}),
  approval: z
    .strictObject({
      mode: z
        .enum(['manual', 'allow_list', 'auto'])
        .default('allow_list')
        .describe(
          '`manual`: every call that asks waits for a person. `allow_list`: learned rules answer first. `auto`: moreover, tiers do not ask; only calls and rights that are named here do.',
        ),
      read_only: decision.default('allow').describe('For a model’s calls that change nothing.'),
      side_effecting: decision.default('allow').describe('For a model’s calls that change the workspace.'),
      privileged: decision.default('ask').describe('For a model’s calls that run programs or have effects outside the workspace.'),
      rights: z.record(z.string(), decision).default({}).describe('By right, e.g. `"file.write" = "ask"`. Takes precedence over the tier.'),
      calls: z
        .record(z.string(), decision)
        .default({})
        .describe('By call name, e.g. `"file.delete" = "deny"`. Takes precedence over the right. `deny` at any level wins.'),
      expire_s: z
        .int()
        .min(0)
        .max(2_000_000)
        .default(0)
        .describe('Seconds after which an approval that waits is refused, with the event `approval_expiring` before. 0: never.'),
      two_person: z
        .array(z.string())
        .default([])
        .describe('Calls that two different people must allow, or the terminal and an API key; learned rules do not apply to them.'),
      ask_after_refusals: z
        .int()
        .min(0)
        .max(20)
        .default(3)
        .describe(
          'Refusals of an agent’s calls in a row, for want of a right or of a program on the list, after which the person is asked once whether those calls may run; also after 20 in a session. 0: never.',
        ),
    })
    .prefault({}),
  flow: z
    .strictObject({
      untrusted: decision
        .default('allow')
        .describe(
          'For a model’s calls that send data out, when the conversation contains untrusted content (files, command output, the web).',
        ),
      private: decision.default('allow').describe('The same, when it contains private data (the vault, private memories).'),
      both: decision.default('ask').describe('The same, when it contains both. The strictest of the three that apply counts.'),
      irreversible: decision
        .default('ask')
        .describe(
          'For a model’s calls that nobody can take back, when the conversation contains untrusted content: an effect outside (a mail, a payment, a form), a schedule, forgotten memories, deleting or moving files that have no versions.',
        ),
      new_host: decision
        .default('ask')
        .describe(
          'For a model’s calls that name a host which no agent has reached before, when the conversation contains untrusted content. A host is asked about once; hosts in `egress.allow` are known.',
        ),
      sinks: z
        .record(z.string(), z.strictObject({ untrusted: ownFlow('untrusted'), private: ownFlow('private'), both: ownFlow('both') }))
        .default({})
        .describe(
          'For single calls, e.g. `[flow.sinks."web.fetch"]`. Files sent to the person (`media.send`) are subject only to rules set here.',
        ),
      source: z
        .array(
          z
            .strictObject({
              call: pattern.describe('Name of a call, e.g. `mail.*`.'),
              path: pattern.describe('A file or folder, e.g. `/shared/finance/**`.'),
              host: pattern.describe('A host, e.g. `*.bank.example`.'),
              server: pattern.describe('A server of tools (MCP).'),
              agent: pattern.describe('The agent that calls, or the one that answers.'),
              labels: z
                .array(z.enum(['untrusted', 'private']))
                .min(1)
                .describe('Added to what is read.'),
            })
            .refine(namesOne(['call', 'path', 'host', 'server', 'agent']), 'must name call, path, host, server or agent')
            .refine((rule) => rule.path === undefined || Object.keys(rule).length === 2, 'a rule with a path has no other condition'),
        )
        .max(maxFlowRules)
        .default([])
        .describe(
          'Rules that label what is read, in addition to the calls’ labels: `[[flow.source]]`. All conditions of a rule must hold.',
        ),
      sink: z
        .array(
          z
            .strictObject({
              call: pattern.describe('Name of a call.'),
              host: pattern.describe('A host that receives data.'),
              server: pattern.describe('A server of tools (MCP) that receives data.'),
              model: pattern.describe('`remote`, `local`, or the name of a model, `provider/name`, that receives the conversation.'),
              effect: z.enum(['delete', 'overwrite', 'schedule', 'delegate']).optional().describe('What the call does.'),
              untrusted: ownFlow('untrusted'),
              private: ownFlow('private'),
              both: ownFlow('both'),
            })
            .refine(namesOne(['call', 'host', 'server', 'model', 'effect']), 'must name call, host, server, model or effect'),
        )
        .max(maxFlowRules)
        .default([])
        .describe(
          'Rules about places and effects: `[[flow.sink]]`. All conditions of a rule must hold; of rules that match, the strictest counts.',
        ),
    })
    .prefault({}),
  access: z
    .strictObject({
      role: z
        .enum(['user', 'superuser', 'admin'])
        .default('admin')
        .describe(
          'Role of the terminals of the guest’s own user: `user` can neither change access nor see the audit; `superuser` cannot change access.',
        ),
    })
    .prefault({}),
  exec: z
    .strictObject({
      shell: z
        .boolean()
        .default(true)
        .describe('Whether calls may start a shell. `false`: only programs that `exec.allow` covers can be run.'),
      allow: programPatterns.describe(
        'Programs that `exec.run` may start: `"git"` with any arguments, `"git status"` with exactly these, `"git log **"` with these and any after them; `*` is any text inside of a word. Empty: none. `oxbow exec allow` adds to them.',
      ),
      deny: programPatterns.describe(
        'Programs that may not be started, in the same notation; arguments count wherever they stand. Takes precedence over `exec.allow`. The words of shell commands are compared, too, which stops mistakes but no intent.',
      ),
      env: z
        .array(z.string().regex(/^[A-Za-z_*][A-Za-z0-9_*]*$/))
        .default(['CI', 'COLUMNS', 'LANG', 'LC_*', 'NO_COLOR', 'TZ'])
        .describe(
          'Variables that a call of `exec.run` may set. Many others change what a program runs (`PATH`, `GIT_SSH_COMMAND`, `NODE_OPTIONS`).',
        ),
    })
    .prefault({}),
  agents: z
    .strictObject({
      max_running: z
        .int()
        .min(1)
        .max(1_000)
        .default(5)
        .describe(
          'Spawned agents, runs of schedules and tasks of programs that run at once; others wait. One that waits for an approval, an agent or a graph does not count.',
        ),
      max_starts_per_minute: z.int().min(1).default(60).describe('Starts of such runs in a minute; others wait.'),
      ageing_s: z.number().min(1).max(86_400).default(60).describe('Seconds of waiting after which a run counts as one priority higher.'),
      zombie_s: z.number().min(1).default(300).describe('Seconds without a sign of life after which a running agent is closed as failed.'),
      max_depth: z.int().min(0).max(16).default(3).describe('Generations of agents below a session. 0: no agent is spawned.'),
      max_children: z.int().min(0).max(10_000).default(8).describe('Live agents that one session may have spawned.'),
      max_live: z.int().min(0).max(10_000).default(64).describe('Live agents of a user.'),
      max_per_turn: z.int().min(0).max(10_000).default(32).describe('Delegations that one turn may make.'),
      withheld_rights: z
        .array(z.string())
        .default(['vault.copy', 'vault.list'])
        .describe('Rights that an agent cannot pass on to agents that it spawns.'),
    })
    .prefault({}),
  schedules: z
    .strictObject({
      max_schedules: z.int().min(0).max(1_000).default(50).describe('Schedules that a user may have.'),
      max_running: z.int().min(1).max(100).default(3).describe('Runs of schedules at once; others wait.'),
      min_interval_s: z.int().min(1).default(60).describe('Least seconds between two runs of a schedule.'),
      max_run_history: z.int().min(1).max(1_000).default(20).describe('Ended runs that are kept of each schedule.'),
      disable_after_failures: z.int().min(1).max(1_000).default(5).describe('Failures in a row after which a schedule is disabled.'),
      retry_s: z
        .int()
        .min(1)
        .max(3_600)
        .default(30)
        .describe('Seconds before the first retry of a failed run; each next one waits twice as long.'),
    })
    .prefault({}),
  versions: z
    .strictObject({
      enabled: z.boolean().default(true).describe('Commit what calls change, before and after, so that it can be undone.'),
      max_file_mb: z
        .number()
        .min(0.1)
        .max(24)
        .default(10)
        .describe('Larger files are kept next to the repository, once for each content, up to 4 GB.'),
      ignore: z
        .array(z.string().min(1).max(255))
        .max(100)
        .default(['node_modules', '.venv', '__pycache__', '.DS_Store'])
        .describe(
          'Names of files and folders that versions leave out; `*` is any text. So are repositories (`.git`). A file that a call names has a version all the same.',
        ),
    })
    .prefault({}),
  secrets: z
    .record(
      z.string(),
      z.strictObject({
        calls: z
          .array(z.string())
          .default([])
          .describe('Calls that receive the value where their input has the handle, e.g. `shell.online`. Empty: none.'),
        hosts: z
          .array(z.string())
          .default([])
          .describe('Hosts that calls with network may send it to: `api.github.com`, `*.example.com:8443`, or `*` for any. Empty: none.'),
        env: z
          .string()
          .regex(/^(?:[A-Za-z_][A-Za-z0-9_]{0,127})?$/, 'must be the name of a variable')
          .default('')
          .describe('Variable in which commands of those calls find the value. Empty: none.'),
      }),
    )
    .default({})
    .describe('What a secret may be used for, by its name in `[secret:NAME]`. `oxbow secret allow` writes this table.'),
  resources: z
    .strictObject({
      interval_s: z.number().min(1).max(3_600).default(60).describe('Seconds between samples of what the machine and the guest use.'),
      history: z.int().min(1).max(10_000).default(60).describe('Samples that are kept.'),
      cpu_percent: percent.default(90).describe('Processor use from which on the guest is overloaded: no new agents start. 100: never.'),
      memory_percent: percent.default(90).describe('Memory use of the machine, likewise.'),
      load_per_processor: z.number().min(0.1).max(1_000).default(4).describe('Load average of a minute for each processor, likewise.'),
      disk_percent: percent.default(98).describe('Use of the file system of the workspace, likewise.'),
    })
    .prefault({}),
}

type KernelConfig = { [Section in keyof typeof kernelConfig]: z.infer<(typeof kernelConfig)[Section]> }

export type FlowPolicy = KernelConfig['flow']

/** The decision on a call that sends data out, by the labels of its conversation. The strictest one that applies counts. */
export type FlowRules = Pick<FlowPolicy, 'untrusted' | 'private' | 'both'>
