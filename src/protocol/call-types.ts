// Made by scripts/generate-docs.ts from the schemas of the calls. Change the source, then run it again.
import type { CallId, ErrorCode, Failure, Json, JsonObject, SessionId, TurnId } from '../base/index.ts'
import type { DataOrigin } from './origin.ts'

type AgentDelegate = {
  status: 'queued' | 'running' | 'success' | 'failure' | 'budget_exhausted' | 'cancelled' | 'timeout' | 'refused'
  agent: string
  id: string
  session: SessionId | ''
  branch: string
  value: Json
  text: string
  files: readonly string[]
  spent: { tokens: number; micro_dollars: number }
  labels: readonly ('untrusted' | 'private')[]
  code: ErrorCode | ''
  reason: string
  hint: string
}

type AgentListAgents = {
  id: CallId
  name: string
  session: SessionId
  parent: CallId | ''
  home: SessionId | ''
  depth: number
  task: string
  model: string
  rights: readonly string[]
  priority: 'low' | 'normal' | 'high' | 'critical'
  keep: boolean
  state: 'starting' | 'running' | 'waiting' | 'idle' | 'done' | 'failed' | 'killed' | 'paused'
  reply: string
  reason: string
  labels: readonly ('untrusted' | 'private')[]
  created_at: number
  started_at: number | null
  ended_at: number | null
  budget?: { tokens?: number; micro_dollars?: number; calls?: number; seconds?: number }
  branch?: string
  code?: ErrorCode
  delegation?: { definition: string; hash: string; turn: TurnId | ''; awaited?: boolean; deadline_at: number | null; repairs: number; value?: Json }
  waiting_for: 'approval' | 'child' | 'timer' | 'admission' | null
  waiting_on: string
  current_call: { name: string; elapsed_ms: number } | null
  usage: { cpu_ms: number; memory_mb: number; processes: number } | null
  spent: { tokens: number; micro_dollars: number }
  left: { tokens: number | null; micro_dollars: number | null; calls: number | null; seconds: number | null } | null
  mail?: readonly { agent: CallId; name: string; messages: number }[]
  origins: readonly (readonly ['untrusted' | 'private', DataOrigin])[]
}

type AuditArchiveFiles = { file: string; sha256: string; bytes: number; after: number; upto: number; hash: string; records: number; at: number; restored: boolean }

type AuditStatusLastReport = {
  ok: boolean
  records: number
  blobs: number
  first_bad: { seq: number; why: string } | null
  open: readonly { seq: number; call: CallId; name: string }[]
  signed_heads: {
    checked: number
    chained_from: number | null
    bad: readonly { seq: number; why: string }[]
    others: number
    restores: readonly { at: number; by: string; from: number; to: number; fault: string }[]
  } | null
  repeated: { records: number; unexplained: readonly { seq: number; why: string }[] }
  projections: readonly string[]
  erased: { bodies: number; unchecked: number; unexplained: readonly number[] }
  config_differs: readonly string[]
  ms: number
}

type BranchCreate = {
  name: string
  home: SessionId | ''
  session: SessionId | ''
  by: string
  version: string
  base: string
  over: string
  hands?: readonly string[]
  copied: string
  state: 'making' | 'open' | 'merging' | 'merged' | 'dropped'
  labels: readonly ('untrusted' | 'private')[]
  merge: { commit: string; before: string; into?: string } | null
  created_at: number
  ended_at: number | null
}

type BrowserAct = {
  tab: string
  url: string
  title: string
  status: number | null
  shows: 'tree' | 'changes' | 'text' | 'nothing'
  text: string
  from_byte: number
  next_byte: number | null
  total_bytes: number
  notes: readonly string[]
}

type BudgetReset = {
  scope: string
  window: string
  spent: { tokens: number; micro_dollars: number; calls: number; seconds: number }
  reserved: { tokens: number; micro_dollars: number; calls: number; seconds: number }
  limit: { tokens: number | null; micro_dollars: number | null; calls: number | null; seconds: number | null }
  until: number | null
  is_low: boolean
}

type BudgetShowSession = {
  spent: { microDollars: number; tokens: number }
  reserved: { microDollars: number; tokens: number }
  limit: { micro_dollars: number | null; tokens: number | null }
}

type ChannelApprove = {
  id: string
  channel: string
  space: string
  sender: string
  shown: string
  role: 'owner' | 'member' | 'guest'
  rights: readonly string[]
  groups: readonly string[]
  linked_at: number
  by: string
}

type ChannelList = {
  name: string
  kind: string
  state: 'starting' | 'up' | 'down' | 'failed' | 'paused'
  why: string
  since: number
  account: string
  link: string
  console: string
  waiting: number
  undelivered: number
  failed: number
  identities: number
}

type ConfigCheckDraft = {
  changes?: readonly { key: readonly string[]; value: Json | null }[] | undefined
  text?: string | undefined
  last_good?: boolean | undefined
}

type ExecRun = {
  exit_code: number | null
  signal: string | null
  timed_out: boolean
  stdout: string
  stderr: string
  stdout_bytes: number
  stderr_bytes: number
  duration_ms: number
}

type GoalPause = {
  id: TurnId
  request: string
  status: 'running' | 'paused' | 'reached' | 'ended' | 'failed'
  phase: 'interview' | 'asking' | 'seed' | 'review' | 'execute' | 'check' | 'judge' | 'evolve' | 'finish'
  generation: number
  best: { generation: number; score: number; passed: boolean } | null
  waiting_for: string
  created_at: number
  ended_at: number | null
  session: SessionId
  home: SessionId | ''
  labels: readonly ('untrusted' | 'private')[]
  options: { just_do_it: boolean; review: boolean; max_generations: number; judges: number }
  deadline: number | null
  step: number
  failure: string
  rounds: readonly GoalPauseRounds[]
  questions: readonly { type: 'single' | 'multi' | 'text' | 'yes_no'; text: string; choices: readonly string[] }[]
  seed_hash: string
  seed: GoalPauseSeed | null
  generations: readonly GoalPauseGenerations[]
  generations_total: number
  spent: { tokens: number; micro_dollars: number }
  end: GoalPauseEnd | null
}

type GoalPauseEnd = {
  reason: 'passed' | 'generations' | 'money' | 'tokens' | 'deadline' | 'no_gain' | 'same_failure' | 'person' | 'small_talk' | 'failed'
  text: string
  merged: string
  branch: string
}

type GoalPauseGenerations = {
  number: number
  seed: string
  branch: string
  commit: string
  tasks: readonly { task: string; status: string; session: string; reason: string }[]
  changed: readonly string[]
  checks: readonly { text: string; check: string; status: 'passed' | 'failed' | 'flaky' | 'error'; evidence: string; wrote: readonly string[] }[]
  review: {
    review: { passed: boolean; score: number; notes: readonly string[] } | null
    judges: readonly ({ passed: boolean; score: number; notes: readonly string[] } | null)[]
    quorum: number
  } | null
  outcome: { passed: boolean; score: number } | null
  notes: readonly string[]
  began_at: number
  ended_at: number | null
}

type GoalPauseRounds = {
  questions: readonly { type: 'single' | 'multi' | 'text' | 'yes_no'; text: string; choices: readonly string[] }[]
  scores: { goal: number; constraints: number; success: number }
  ambiguity: number
  answers: readonly string[]
}

type GoalPauseSeed = {
  goal: string
  constraints: readonly string[]
  criteria: readonly {
    text: string
    check: { kind: 'command'; command: string; exit_code: number; timeout_s: number; runs: number } | { kind: 'file'; path: string; exists: boolean; contains: string } | { kind: 'pattern'; path: string; pattern: string; matches: boolean } | { kind: 'schema'; path: string; schema: JsonObject } | { kind: 'http'; url: string; status: number; contains: string } | { kind: 'number'; command: string; pattern?: string; at_least?: number; at_most?: number; timeout_s: number; runs: number } | null
  }[]
  tests: readonly string[]
  tasks: readonly { id: string; goal: string; needs: readonly string[] }[]
  request: string
  answers: readonly { question: string; answer: string }[]
  assumptions: readonly string[]
  generation: number
  parent: string
  by: 'model' | 'person' | 'kernel'
}

type GraphListRuns = {
  id: TurnId
  graph: string
  status: 'running' | 'waiting' | 'success' | 'failure' | 'failed' | 'cancelled'
  session: SessionId
  home: SessionId | ''
  output: JsonObject
  text: string
  failure: { code: ErrorCode; message: string; hint: string; status?: number; node: string } | null
  labels: readonly ('untrusted' | 'private')[]
  version: string
  position: string
  created_at: number
  ended_at: number | null
  resumed: number
  state: JsonObject
  paths: readonly { key: string; graph: string; node: string; attempt: number; since: number; status: string }[]
  visits: number
  waiting_for: string
  questions: readonly { call: CallId; node: string; question: string; choices: readonly string[] }[]
  spent: { tokens: number; micro_dollars: number }
}

type HeartbeatNow = {
  on: boolean
  every_s: number
  rights: readonly string[]
  quiet: { from: string; to: string; time_zone: string } | null
  messages_a_day: number
  tokens_a_day: number
  next_at: number | null
  snoozed_until: number | null
  sent_today: number
  tokens_today: number
  messages: readonly { at: number; text: string }[]
  last: { at: number; came_to: 'unchanged' | 'quiet' | 'nothing' | 'message' | 'kept' | 'failed'; why: string } | null
}

type ModelListModels = {
  name: string
  provider: string
  contextTokens: number
  maxOutputTokens: number
  price: {
    inputPerMillion: number
    outputPerMillion: number
    cacheReadPerMillion?: number
    cacheWritePerMillion?: number
    tiers?: readonly {
      inputPerMillion: number
      outputPerMillion: number
      cacheReadPerMillion?: number
      cacheWritePerMillion?: number
      aboveInputTokens: number
    }[]
  } | null
  input: readonly ('text' | 'image' | 'pdf' | 'audio' | 'video')[]
  tools: boolean
  reasoning: boolean
  sampling: boolean
  structuredOutput: boolean
  deprecated: boolean
  settings?: { temperature?: number; topP?: number; effort?: 'none' | 'minimal' | 'low' | 'medium' | 'high' }
}

type PeopleAdd = {
  id: string
  issuer: string
  subject: string
  name: string
  groups: readonly string[]
  added_by: string
  added_at: number
  signed_in_at: number | null
}

type PlanApply = {
  id: CallId
  digest: string
  state: 'making' | 'ready' | 'failed' | 'applying' | 'stopped' | 'applied' | 'dropped'
  text: string
  home: SessionId | ''
  session: SessionId | ''
  agent: string
  branch: string
  base: string
  commit: string
  files: readonly { path: string; change: 'added' | 'changed' | 'deleted' }[]
  total: number
  difference: string
  effects: readonly {
    n: number
    call: string
    input: Json
    asks: boolean
    outside: boolean
    answer: Json
    made: readonly (string | number)[]
    basis: { [name: string]: string }
    most: { tokens: number; micro_dollars: number }
  }[]
  ends: string
  reply: string
  labels: readonly ('untrusted' | 'private')[]
  spent: { tokens: number; micro_dollars: number }
  costs: { least: { tokens: number; micro_dollars: number }; most: { tokens: number; micro_dollars: number } }
  created_at: number
  failure: Failure | null
  applied: {
    plan: string
    digest: string
    state: 'applying' | 'stopped' | 'applied'
    files: 'left' | 'done'
    before: string
    after: string
    next: number
    tries: number
    done: readonly { n: number; call: string; status: 'ok' | 'refused' | 'failed' | 'cancelled' | 'unknown'; text: string }[]
    made: readonly (readonly [string | number, string | number])[]
    failure: Failure | null
    since: number
    ended_at: number | null
  } | null
}

type PluginInstall = {
  plugin: string
  version: string
  description: string
  source: string
  integrity: string
  hash: string
  signed_by: string
  needs: readonly string[]
  may: readonly string[]
  files: number
  bytes: number
  packages: number
  with_scripts: readonly string[]
  installed: string
  same: boolean
  added: readonly string[]
  removed: readonly string[]
  reasons: readonly string[]
  alike: readonly string[]
}

type ProgramInstall = {
  program: string
  version: string
  description: string
  source: string
  hash: string
  signed_by: string
  kind: 'script' | 'module' | 'agent'
  files: number
  bytes: number
  may: readonly string[]
  added: readonly string[]
  removed: readonly string[]
  installed: string
  same: boolean
  reasons: readonly string[]
  difference: string
  problems: readonly string[]
  warnings: readonly string[]
  tests: number
  tested: number
  hides: 'bundled' | 'own' | ''
}

type ProgramRun = {
  id: TurnId
  program: string
  version: string
  status: 'running' | 'waiting' | 'success' | 'failed' | 'cancelled' | 'planned'
  session: SessionId | ''
  input: JsonObject
  result: Json
  printed: string
  failure: { code: ErrorCode; message: string; hint: string; status?: number } | null
  labels: readonly ('untrusted' | 'private')[]
  rights: readonly string[]
  missing: readonly string[]
  depth: number
  created_at: number
  ended_at: number | null
  waiting_for: string
  spent: { tokens: number; micro_dollars: number }
}

type RemoteDiffApproved = {
  name: string
  description: string
  version: string
  provider: string
  skills: readonly string[]
  addresses: readonly string[]
  signed_by: string
}

type ResourcesShowNow = {
  at: number
  cpu_percent: number
  memory_used_mb: number
  memory_total_mb: number
  load_1m: number
  disk_used_percent: number
  disk_free_mb: number
  guest_cpu_percent: number
  guest_memory_mb: number
  loop_delay_ms: number
  open_files: number
}

type ScheduleCreate = {
  id: string
  name: string
  goal: string
  cadence: { type: 'once'; at: string } | { type: 'interval'; every_s: number } | { type: 'cron'; expression: string; time_zone: string }
  status: 'active' | 'paused' | 'completed' | 'disabled'
  labels: readonly ('untrusted' | 'private')[]
  author: string
  origin: SessionId | ''
  context: 'keep' | 'fresh'
  model: string
  as?: string
  misfire: 'skip' | 'once' | 'all'
  grace_s: number | null
  overlap: 'skip' | 'queue' | 'parallel'
  retries: number
  timeout_s: number
  notify: 'always' | 'conditional' | 'never'
  created_at: number
  next_at: number | null
  failures: number
  budget?: { tokens?: number; micro_dollars?: number; calls?: number; seconds?: number }
  next_local: string | null
  source: 'call' | 'config'
}

type ServerDiffToolsApproved = { name: string; title: string; description: string; inputSchema: JsonObject; outputSchema: JsonObject | null; annotations: JsonObject }

type SessionArchive = { session: SessionId; change: SessionArchiveChange }

type SessionArchiveChange = {
  title?: string
  createdAt?: number
  activeAt?: number
  labels?: string
  origins?: string
  scratchpad?: string
  archived?: number
  deleted?: number
  parent?: SessionId
  forked?: number
  summary?: CallId | ''
}

type SessionDiffRowsA = { turn: number; step: number; name: string; text: string; result: string; ok: boolean; ms: number; micro_dollars: number; tokens: number }

type ShellBackground = {
  id: string
  text: string
  from: number
  next: number
  total: number
  dropped: number
  running: boolean
  waits_for_input: boolean
  exit_code: number | null
  signal: string | null
}

type ShellOnlineHosts = {
  host: string
  port: number
  decision: 'reached' | 'refused' | 'failed'
  reason: string
  connections: number
  bytes_out: number
  bytes_in: number
}

type ShellOnlineWrite = {
  id: string
  text?: string | undefined
  enter?: boolean | undefined
  keys?: readonly ('enter' | 'tab' | 'escape' | 'backspace' | 'delete' | 'up' | 'down' | 'left' | 'right' | 'home' | 'end' | 'page_up' | 'page_down' | 'ctrl_a' | 'ctrl_c' | 'ctrl_d' | 'ctrl_e' | 'ctrl_k' | 'ctrl_l' | 'ctrl_r' | 'ctrl_u' | 'ctrl_w' | 'ctrl_x' | 'ctrl_z' | 'ctrl_backslash')[] | undefined
  wait_s?: number | undefined
  quiet_ms?: number | undefined
}

type ShellSessionRead = {
  text: string
  from: number
  next: number
  total: number
  dropped: number
  running: boolean
  waits_for_input: boolean
  exit_code: number | null
  signal: string | null
}

type TaskFind = {
  task: TurnId
  context: SessionId
  agent: string
  owner: string
  message: string
  cursor: number
  created_at: number
  targets: readonly { id: string; url: string; token: string; scheme: string; credentials: string; version: string }[]
}

/** What each call takes that a terminal may make, by its name. */
interface CallInputs {
  'agent.delegate': {
    agent: string
    goal: string
    key_facts?: readonly string[] | undefined
    result?: JsonObject | undefined
    budget?: { tokens?: number | undefined; micro_dollars?: number | undefined; calls?: number | undefined; seconds?: number | undefined } | undefined
    branch?: string | undefined
    hands?: 'home' | 'anywhere' | readonly string[] | undefined
    max_turns?: number | undefined
    deadline_s?: number | undefined
    wait?: boolean | undefined
  }
  'agent.fan_out': {
    tasks: readonly {
      agent: string
      goal: string
      key_facts?: readonly string[] | undefined
      result?: JsonObject | undefined
      budget?: { tokens?: number | undefined; micro_dollars?: number | undefined; calls?: number | undefined; seconds?: number | undefined } | undefined
      branch?: string | undefined
      hands?: 'home' | 'anywhere' | readonly string[] | undefined
      max_turns?: number | undefined
      deadline_s?: number | undefined
      id: string
      needs?: readonly string[] | undefined
    }[]
    until?: 'all' | 'any' | number | undefined
    at_once?: number | undefined
    on_failure?: 'stop' | 'continue' | undefined
    synthesis?: {
      agent: string
      goal: string
      key_facts?: readonly string[] | undefined
      result?: JsonObject | undefined
      budget?: { tokens?: number | undefined; micro_dollars?: number | undefined; calls?: number | undefined; seconds?: number | undefined } | undefined
      branch?: string | undefined
      hands?: 'home' | 'anywhere' | readonly string[] | undefined
      max_turns?: number | undefined
      deadline_s?: number | undefined
    } | undefined
  }
  'agent.find': { capability?: string | undefined }
  'agent.handoff': { agent: string; goal: string; key_facts?: readonly string[] | undefined }
  'agent.kill': { agent: string; reason?: string | undefined }
  'agent.list': { ended?: boolean | undefined; limit?: number | undefined }
  'agent.pause': { agent: string }
  'agent.raise': {
    agent: string
    tokens?: number | undefined
    micro_dollars?: number | undefined
    calls?: number | undefined
    seconds?: number | undefined
  }
  'agent.resume': { agent: string }
  'agent.revoke': { agent: string; rights: readonly string[] }
  'agent.send': { to: string; text: string }
  'agent.spawn': {
    task: string
    as?: string | undefined
    name?: string | undefined
    instructions?: string | undefined
    model?: string | undefined
    rights?: readonly string[] | undefined
    read_only?: boolean | undefined
    priority?: 'low' | 'normal' | 'high' | 'critical' | undefined
    keep?: boolean | undefined
    files?: 'shared' | 'branch' | undefined
    orphans?: 'kill' | 'adopt' | 'finish' | undefined
    budget?: { tokens?: number | undefined; micro_dollars?: number | undefined; calls?: number | undefined; seconds?: number | undefined } | undefined
  }
  'agent.wait': {
    agents?: readonly string[] | undefined
    message?: string | undefined
    mode?: 'all' | 'any' | undefined
    timeout_s?: number | undefined
  }
  'approval.list': { session?: string | undefined }
  'approval.revoke': { rule: string }
  'approval.rules': Record<string, never>
  'attachment.put': { data: string }
  'audit.append': { action: string; resource?: string | undefined }
  'audit.archive': { days?: number | undefined; dry_run?: boolean | undefined }
  'audit.archives': Record<string, never>
  'audit.cancel': Record<string, never>
  'audit.query': {
    actor?: string | undefined
    name?: string | undefined
    session?: string | undefined
    phase?: '' | 'intent' | 'parked' | 'decided' | 'started' | 'exchange' | 'outcome' | 'refused' | 'reconciled' | undefined
    call?: string | undefined
    turn?: string | undefined
    text?: string | undefined
    without?: readonly string[] | undefined
    reads?: boolean | undefined
    max_body?: number | undefined
    from?: string | undefined
    to?: string | undefined
    before?: number | undefined
    limit?: number | undefined
  }
  'audit.restore': { file: string }
  'audit.status': Record<string, never>
  'audit.verify': Record<string, never>
  'branch.create': { name: string; at?: string | undefined; base?: string | undefined }
  'branch.diff': { branch: string; path?: string | undefined }
  'branch.drop': { branch: string; dry_run?: boolean | undefined }
  'branch.list': { ended?: boolean | undefined }
  'branch.merge': { branch: string; into?: string | undefined; conflicts?: 'none' | 'workspace' | 'branch' | undefined; dry_run?: boolean | undefined }
  'browser.act': {
    action: 'press' | 'select' | 'hover' | 'scroll' | 'back' | 'forward' | 'reload'
    tab?: string | undefined
    ref?: string | undefined
    key?: string | undefined
    options?: readonly string[] | undefined
    direction?: 'down' | 'up' | undefined
    accept_dialogs?: boolean | undefined
  }
  'browser.click': {
    ref: string
    tab?: string | undefined
    button?: 'left' | 'right' | 'middle' | undefined
    double?: boolean | undefined
    accept_dialogs?: boolean | undefined
  }
  'browser.download': { wait_s?: number | undefined }
  'browser.open': { url: string; tab?: string | undefined; new_tab?: boolean | undefined }
  'browser.screenshot': { tab?: string | undefined; ref?: string | undefined; full_page?: boolean | undefined }
  'browser.snapshot': {
    tab?: string | undefined
    ref?: string | undefined
    depth?: number | undefined
    changes?: boolean | undefined
    from_byte?: number | undefined
  }
  'browser.tabs': { action?: 'list' | 'select' | 'close' | undefined; tab?: string | undefined }
  'browser.text': { tab?: string | undefined; ref?: string | undefined; from_byte?: number | undefined }
  'browser.type': {
    ref: string
    text: string
    tab?: string | undefined
    append?: boolean | undefined
    submit?: boolean | undefined
    accept_dialogs?: boolean | undefined
  }
  'budget.check': { tokens?: number | undefined; calls?: number | undefined }
  'budget.forecast': { schedule: string }
  'budget.remove': { scope: string; window?: string | undefined }
  'budget.reset': { scope: string; window?: string | undefined }
  'budget.set': {
    scope: string
    window?: string | undefined
    tokens?: number | undefined
    micro_dollars?: number | undefined
    calls?: number | undefined
    seconds?: number | undefined
  }
  'budget.show': Record<string, never>
  'call.decide': {
    call: string
    allow: boolean
    question?: string | undefined
    reason?: string | undefined
    input?: Json | undefined
    remember?: { scope: 'call' | 'pattern' | 'session' | 'folder'; rule?: string | undefined; labels?: boolean | undefined } | undefined
  }
  'channel.add': { kind: string; name?: string | undefined; secrets: { [name: string]: string }; options?: { [name: string]: string } | undefined }
  'channel.approve': { code: string; role?: 'owner' | 'member' | 'guest' | undefined }
  'channel.ask': { session: string; call: string }
  'channel.attempt': { delivery: string; part: number }
  'channel.deliver': { channel: string; space?: string | undefined; chat: string; thread?: string | undefined; text: string }
  'channel.hook': { channel: string; headers: { [name: string]: string }; body: string; too_large?: boolean | undefined }
  'channel.list': Record<string, never>
  'channel.log': { channel: string }
  'channel.moved': { channel: string; from: { space?: string | undefined; chat: string }; to: { space?: string | undefined; chat: string } }
  'channel.notify': { text: string; urgent?: boolean | undefined }
  'channel.outbox': { seen?: number | undefined; wait_s?: number | undefined }
  'channel.pair': { channel: string; role?: 'owner' | 'member' | 'guest' | undefined }
  'channel.pause': { channel: string }
  'channel.places': { channel: string }
  'channel.post': {
    channel: string
    id: string
    chat: string
    thread?: string | undefined
    text: string
    file?: { name: string; data: string } | null | undefined
  }
  'channel.press': { channel: string; space?: string | undefined; chat: string; thread?: string | undefined; message: string; sender: string; data: string }
  'channel.put': { data: string }
  'channel.read': { piece: string }
  'channel.receive': {
    channel: string
    space?: string | undefined
    chat: string
    thread?: string | undefined
    kind: 'direct' | 'group'
    message: string
    sender: string
    shown: string
    is_bot?: boolean | undefined
    is_verified?: boolean | undefined
    at: number
    text: string
    change?: 'new' | 'edited' | 'deleted' | undefined
    mentions_us?: boolean | undefined
    replies_to_us?: boolean | undefined
    quoted?: readonly string[] | undefined
    files?: readonly { name: string; pieces: readonly string[]; speech?: 'own' | 'others' | undefined }[] | undefined
    automatic?: string | undefined
  }
  'channel.release': { delivery: string; growing?: boolean | undefined; wait_s?: number | undefined }
  'channel.remove': { channel: string }
  'channel.resume': { channel: string }
  'channel.retry': { channel: string; delivery?: string | undefined }
  'channel.say': {
    channel: string
    state: 'starting' | 'up' | 'down' | 'failed'
    why?: string | undefined
    self?: { id: string; name: string; link: string; console: string } | null | undefined
  }
  'channel.sent': {
    delivery: string
    part?: number | undefined
    id?: string | undefined
    end?: { state: 'done' | 'lost' | 'dead'; why?: string | undefined } | undefined
  }
  'channel.speak': { delivery: string }
  'channel.test': { channel: string }
  'channel.wants': {
    channel: string
    space?: string | undefined
    chat: string
    thread?: string | undefined
    kind: 'direct' | 'group'
    sender: string
    is_verified?: boolean | undefined
    at: number
    automatic?: string | undefined
    is_for_us: boolean
  }
  'coder.add': {
    agent: string
    settings: {
      description?: string | undefined
      command: string
      args?: readonly string[] | undefined
      program_folder?: string | undefined
      env?: { [name: string]: string } | undefined
      allow?: readonly string[] | undefined
      files?: 'none' | 'read' | 'branch' | undefined
      timeout_s?: number | undefined
    }
  }
  'coder.approve': { agent: string; digest: string }
  'coder.list': Record<string, never>
  'coder.remove': { agent: string }
  'coder.show': { agent: string }
  'command.expand': { name: string; arguments?: string | undefined }
  'command.list': Record<string, never>
  'config.changes': Record<string, never>
  'config.check': { draft: ConfigCheckDraft }
  'config.reload': Record<string, never>
  'config.save': { draft: ConfigCheckDraft; base: string }
  'config.schema': Record<string, never>
  'config.show': Record<string, never>
  'costs.show': {
    by?: 'day' | 'model' | 'session' | 'agent' | 'program' | 'user' | undefined
    since?: string | undefined
    until?: string | undefined
    limit?: number | undefined
  }
  'costs.verify': Record<string, never>
  'data.extract': { source: { call: string; input?: JsonObject | undefined }; question: string; schema: JsonObject }
  'definition.approve': { kind: 'agents' | 'graphs' | 'programs'; name: string; hash: string }
  'definition.list': { kind: 'agents' | 'graphs' | 'programs' }
  'definition.revoke': { kind: 'agents' | 'graphs' | 'programs'; name: string; dry_run?: boolean | undefined }
  'definition.show': { kind: 'agents' | 'graphs' | 'programs'; name: string }
  'events.next': {
    subscriber?: string | undefined
    after?: number | undefined
    before?: number | undefined
    ack?: number | undefined
    kinds?: readonly string[] | undefined
    session?: string | undefined
    limit?: number | undefined
    wait_s?: number | undefined
  }
  'events.publish': { kind: string; data?: Json | undefined }
  'events.subscribe': { name: string; kinds?: readonly string[] | undefined; session?: string | undefined }
  'events.unsubscribe': { name: string }
  'exec.change': { allow?: readonly string[] | undefined; deny?: readonly string[] | undefined; remove?: readonly string[] | undefined }
  'exec.rules': Record<string, never>
  'exec.run': {
    binary: string
    args?: readonly string[] | undefined
    cwd?: string | undefined
    env?: { [name: string]: string } | undefined
    stdin?: string | undefined
    timeout_s?: number | undefined
  }
  'file.bytes': { path: string; offset?: number | undefined; max_bytes?: number | undefined }
  'file.delete': { path: string; recursive?: boolean | undefined }
  'file.download': { path: string; offset?: number | undefined; max_bytes?: number | undefined }
  'file.edit': { path: string; find: string; replace: string; all?: boolean | undefined; if_hash?: string | undefined }
  'file.list': {
    path?: string | undefined
    depth?: number | undefined
    glob?: string | undefined
    all?: boolean | undefined
    skip?: number | undefined
  }
  'file.move': { from: string; to: string; overwrite?: boolean | undefined }
  'file.patch': { diff: string; path?: string | undefined }
  'file.read': { path: string; from_line?: number | undefined; max_lines?: number | undefined }
  'file.search': {
    pattern: string
    path?: string | undefined
    regex?: boolean | undefined
    ignore_case?: boolean | undefined
    glob?: string | undefined
    all?: boolean | undefined
    context_lines?: number | undefined
    skip?: number | undefined
    max_matches?: number | undefined
  }
  'file.upload': { path: string; upload: string; offset: number; base64: string; last?: boolean | undefined; overwrite?: boolean | undefined }
  'file.write': { path: string; text: string; if_hash?: string | undefined }
  'flow.declassify': { call?: string | undefined; path?: string | undefined; digest?: string | undefined; reason?: string | undefined }
  'flow.revoke': { id: string }
  'flow.show': { session?: string | undefined }
  'flow.why': { id: string }
  'folder.sync': Record<string, never>
  'goal.answer': { goal: string; answers?: readonly Json[] | undefined }
  'goal.edit': { goal: string; seed: Json }
  'goal.lineage': { goal: string; after?: number | undefined; limit?: number | undefined }
  'goal.list': { all?: boolean | undefined; limit?: number | undefined }
  'goal.pause': { goal: string }
  'goal.resume': { goal: string }
  'goal.show': { goal: string; wait_s?: number | undefined; seen?: number | undefined }
  'goal.start': {
    request: string
    seed?: Json | undefined
    just_do_it?: boolean | undefined
    review?: boolean | undefined
    max_generations?: number | undefined
    judges?: number | undefined
    deadline_s?: number | undefined
    budget?: { tokens?: number | undefined; micro_dollars?: number | undefined; calls?: number | undefined; seconds?: number | undefined } | undefined
  }
  'goal.stop': { goal: string; reason?: string | undefined }
  'graph.answer': { run: string; answer: Json; node?: string | undefined }
  'graph.cancel': { run: string; reason?: string | undefined }
  'graph.check': { graph?: string | undefined; toml?: string | undefined }
  'graph.list': { ended?: boolean | undefined; limit?: number | undefined }
  'graph.resume': { run: string; from?: string | undefined }
  'graph.run': { graph: string; input?: JsonObject | undefined; wait?: boolean | undefined }
  'graph.show': { run: string; wait_s?: number | undefined; seen?: string | undefined }
  'guest.restart': Record<string, never>
  'guest.stop': Record<string, never>
  'heartbeat.now': Record<string, never>
  'heartbeat.off': Record<string, never>
  'heartbeat.on': {
    every_s?: number | undefined
    rights?: readonly string[] | undefined
    quiet?: { from: string; to: string; time_zone?: string | undefined } | undefined
    messages_a_day?: number | undefined
    tokens_a_day?: number | undefined
  }
  'heartbeat.show': { wait_s?: number | undefined; seen?: number | undefined }
  'heartbeat.snooze': { seconds?: number | undefined }
  'identity.link': {
    channel: string
    space?: string | undefined
    sender: string
    shown?: string | undefined
    role?: 'owner' | 'member' | 'guest' | undefined
    rights?: readonly string[] | undefined
    groups?: readonly string[] | undefined
  }
  'identity.list': Record<string, never>
  'identity.unlink': { identity: string }
  'key.create': { name: string; rights: readonly string[]; expires_in_s?: number | undefined }
  'key.list': Record<string, never>
  'key.revoke': { key: string }
  'machine.log': {
    lines?: number | undefined
    role?: readonly ('runner' | 'guest' | 'hands' | 'plugins' | 'daemon')[] | undefined
    level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | undefined
    since?: number | undefined
    turn?: string | undefined
  }
  'machine.spaces': Record<string, never>
  'machine.users': Record<string, never>
  'media.read': { piece: string }
  'memory.confirm': { note_id: string; by?: string | undefined }
  'memory.contradict': { note_id: string; other: string }
  'memory.delete': { note_id: string }
  'memory.expand': { from?: number | undefined; to?: number | undefined; pin?: string | undefined; offset?: number | undefined }
  'memory.export': { after?: string | undefined }
  'memory.forget': { ids?: readonly string[] | undefined; text?: string | undefined; dry_run?: boolean | undefined }
  'memory.import': { lines: readonly string[]; overwrite?: boolean | undefined; untrusted?: boolean | undefined }
  'memory.ingest': { path: string; tags?: readonly string[] | undefined; trust?: boolean | undefined }
  'memory.map': { kinds?: readonly ('note' | 'fact' | 'document' | 'summary' | 'message')[] | undefined; limit?: number | undefined }
  'memory.pin': { note_id: string; pinned?: boolean | undefined }
  'memory.promote': { note_id: string }
  'memory.reindex': Record<string, never>
  'memory.report': { report?: string | undefined }
  'memory.save': { content: string; tags?: readonly string[] | undefined }
  'memory.search': {
    query: string
    top_k?: number | undefined
    include_conversation?: boolean | undefined
    tags?: readonly string[] | undefined
    as_of?: string | undefined
  }
  'memory.stats': Record<string, never>
  'memory.supersede': { note_id: string; content: string; tags?: readonly string[] | undefined; from?: string | undefined }
  'memory.tidy': Record<string, never>
  'memory.undo': { report: string }
  'memory.update': { note_id: string; content: string; tags?: readonly string[] | undefined }
  'memory.valid': { note_id: string; from?: string | undefined; to?: string | undefined }
  'memory.why': { note_id: string }
  'model.discover': Record<string, never>
  'model.list': { provider?: string | undefined; search?: string | undefined; limit?: number | undefined }
  'model.probe': { base_url: string; model?: string | undefined }
  'model.services': Record<string, never>
  'model.show': { model: string }
  'model.usable': { model?: string | undefined; limit?: number | undefined }
  'output.read': { id: string; from_byte?: number | undefined; max_bytes?: number | undefined }
  'people.add': { subject: string; name?: string | undefined; issuer?: string | undefined }
  'people.list': Record<string, never>
  'people.remove': { person: string }
  'people.sign_in': { issuer: string; subject: string; name: string; groups: readonly string[] }
  'persona.list': Record<string, never>
  'persona.release': { persona: string; dry_run?: boolean | undefined }
  'plan.apply': { plan: string; digest: string; skip_unknown?: boolean | undefined; dry_run?: boolean | undefined }
  'plan.drop': { plan: string; dry_run?: boolean | undefined }
  'plan.list': { ended?: boolean | undefined }
  'plan.make': {
    text: string
    session?: string | undefined
    model?: string | undefined
    budget?: { tokens?: number | undefined; micro_dollars?: number | undefined; calls?: number | undefined; seconds?: number | undefined } | undefined
  }
  'plan.show': { plan: string }
  'plugin.change': { plugin: string; change: 'enable' | 'disable' | 'remove' | 'revert' | 'grant' }
  'plugin.create': { folder: string }
  'plugin.info': { plugin: string }
  'plugin.install': { source: string; hash: string; manifest?: string | undefined }
  'plugin.installed': Record<string, never>
  'plugin.list': Record<string, never>
  'plugin.look': { source: string; manifest?: string | undefined }
  'plugin.propose': { source: string }
  'plugin.reload': { plugin: string }
  'plugin.sign': { folder: string; key: string }
  'plugin.sync': { removed?: readonly string[] | undefined; cleared?: readonly string[] | undefined }
  'plugin.test': { plugin: string }
  'program.calls': { names?: readonly string[] | undefined }
  'program.cancel': { run: string; reason?: string | undefined }
  'program.disable': { program: string }
  'program.enable': { program: string }
  'program.info': { program: string }
  'program.install': { source?: string | undefined; program?: string | undefined; hash: string }
  'program.list': Record<string, never>
  'program.look': { source?: string | undefined; program?: string | undefined }
  'program.new': { folder: string }
  'program.remove': { program: string }
  'program.rollback': { program: string }
  'program.run': { program: string; input?: JsonObject | undefined; wait?: boolean | undefined; dry_run?: boolean | undefined }
  'program.runs': { ended?: boolean | undefined; limit?: number | undefined }
  'program.show': { run: string; wait_s?: number | undefined }
  'program.test': {
    name: string
    files?: { toml: string; instructions: string; script?: string | undefined; module?: string | undefined; tests: { [name: string]: string } } | undefined
  }
  'program.verify': { name: string; files?: { toml: string; instructions: string; script?: string | undefined; module?: string | undefined } | undefined }
  'remote.add': {
    remote: string
    settings: {
      url: string
      headers?: { [name: string]: string } | undefined
      allow?: readonly string[] | undefined
      timeout_s?: number | undefined
    }
  }
  'remote.approve': { remote: string; digest: string }
  'remote.diff': { remote: string }
  'remote.list': Record<string, never>
  'remote.remove': { remote: string }
  'remote.switch': { remote: string; enabled: boolean }
  'resources.show': { history?: number | undefined }
  'role.list': Record<string, never>
  'role.remove': { role: string; dry_run?: boolean | undefined }
  'role.set': { role: string; rights: readonly string[] }
  'schedule.create': {
    name: string
    goal: string
    cadence: { type: 'once'; at: string } | { type: 'interval'; every_s: number } | { type: 'cron'; expression: string; time_zone?: string | undefined }
    context?: 'keep' | 'fresh' | undefined
    model?: string | undefined
    as?: string | undefined
    misfire?: 'skip' | 'once' | 'all' | undefined
    grace_s?: number | null | undefined
    overlap?: 'skip' | 'queue' | 'parallel' | undefined
    retries?: number | undefined
    timeout_s?: number | undefined
    notify?: 'always' | 'conditional' | 'never' | undefined
    budget?: { tokens?: number | undefined; micro_dollars?: number | undefined; calls?: number | undefined; seconds?: number | undefined } | undefined
    labels?: readonly ('untrusted' | 'private')[] | undefined
  }
  'schedule.delete': { id: string }
  'schedule.edit': {
    id: string
    name?: string | undefined
    goal?: string | undefined
    cadence?: { type: 'once'; at: string } | { type: 'interval'; every_s: number } | { type: 'cron'; expression: string; time_zone?: string | undefined } | undefined
    context?: 'keep' | 'fresh' | undefined
    model?: string | undefined
    as?: string | undefined
    misfire?: 'skip' | 'once' | 'all' | undefined
    grace_s?: number | null | undefined
    overlap?: 'skip' | 'queue' | 'parallel' | undefined
    retries?: number | undefined
    timeout_s?: number | undefined
    notify?: 'always' | 'conditional' | 'never' | undefined
    budget?: { tokens?: number | undefined; micro_dollars?: number | undefined; calls?: number | undefined; seconds?: number | undefined } | undefined
    status?: 'active' | 'paused' | undefined
  }
  'schedule.run_output': { turn: string; from_byte?: number | undefined; max_bytes?: number | undefined }
  'schedule.runs': { id: string; limit?: number | undefined }
  'schedule.search': {
    name?: string | undefined
    status?: '' | 'active' | 'paused' | 'completed' | 'disabled' | undefined
    limit?: number | undefined
    offset?: number | undefined
  }
  'schedule.trigger': { id: string }
  'scratchpad.clear': Record<string, never>
  'scratchpad.read': Record<string, never>
  'scratchpad.write': { items: readonly string[] }
  'secret.allow': { name: string; calls: readonly string[]; hosts?: readonly string[] | undefined; env?: string | undefined }
  'secret.found': Record<string, never>
  'secret.list': { name?: string | undefined }
  'secret.release': { name: string }
  'secret.remove': { name: string }
  'secret.reveal': { name: string }
  'secret.set': { name: string; value: string }
  'secret.withdraw': { name: string }
  'server.add': {
    server: string
    settings: {
      command?: string | undefined
      args?: readonly string[] | undefined
      program_folder?: string | undefined
      lock?: string | undefined
      url?: string | undefined
      env?: { [name: string]: string } | undefined
      headers?: { [name: string]: string } | undefined
      client_id?: string | undefined
      client_secret?: string | undefined
      folders?: readonly string[] | undefined
      allow?: readonly string[] | undefined
      timeout_s?: number | undefined
      sampling_tokens?: number | undefined
    }
  }
  'server.approve': {
    server: string
    digest: string
    tools?: readonly string[] | undefined
    read_only?: readonly string[] | undefined
    no_sink?: readonly string[] | undefined
    resources?: boolean | undefined
    prompts?: boolean | undefined
  }
  'server.diff': { server: string }
  'server.discover': Record<string, never>
  'server.install': { server: string; package: string; digest: string; bin?: string | undefined }
  'server.list': Record<string, never>
  'server.login': { server: string; redirect_url: string }
  'server.login_end': { server: string; answer: string }
  'server.packages': { server: string; package: string }
  'server.remove': { server: string }
  'server.switch': { server: string; enabled: boolean }
  'server.uninstall': { server: string }
  'session.agent': { agent?: string | undefined; dry_run?: boolean | undefined }
  'session.archive': { session: string; archived?: boolean | undefined }
  'session.compact': { session: string }
  'session.create': { title?: string | undefined; folder?: string | undefined }
  'session.delete': { session: string }
  'session.diff': {
    a: { session: string; turn?: number | undefined; step?: number | undefined }
    b: { session: string; turn?: number | undefined; step?: number | undefined }
  }
  'session.export': { session: string; format?: 'json' | 'markdown' | undefined }
  'session.fork': {
    session: string
    at?: number | undefined
    message?: number | undefined
    step?: number | undefined
    title?: string | undefined
    model?: string | undefined
    files?: boolean | undefined
  }
  'session.import': { file: string; title?: string | undefined }
  'session.list': { limit?: number | undefined; archived?: boolean | undefined; search?: string | undefined }
  'session.mode': { session: string }
  'session.records': { session: string; before?: number | undefined; limit?: number | undefined }
  'session.rename': { session: string; title: string }
  'session.replay': { session: string; turn?: number | undefined; step?: number | undefined }
  'session.set_mode': { session: string; mode: 'configured' | 'ask' | 'read_only' }
  'shell.background': { command: string; cwd?: string | undefined; wait_s?: number | undefined }
  'shell.exec': { command: string; cwd?: string | undefined; stdin?: string | undefined; timeout_s?: number | undefined }
  'shell.online': {
    command: string
    cwd?: string | undefined
    stdin?: string | undefined
    timeout_s?: number | undefined
    hosts?: readonly string[] | undefined
  }
  'shell.online_background': { command: string; cwd?: string | undefined; wait_s?: number | undefined; hosts?: readonly string[] | undefined }
  'shell.online_session': {
    cwd?: string | undefined
    terminal?: boolean | undefined
    columns?: number | undefined
    rows?: number | undefined
    hosts?: readonly string[] | undefined
  }
  'shell.online_write': ShellOnlineWrite
  'shell.session_close': { id: string }
  'shell.session_list': Record<string, never>
  'shell.session_open': { cwd?: string | undefined; terminal?: boolean | undefined; columns?: number | undefined; rows?: number | undefined }
  'shell.session_read': { id: string; from?: number | undefined; max_bytes?: number | undefined; wait_s?: number | undefined; raw?: boolean | undefined }
  'shell.session_resize': { id: string; columns: number; rows: number }
  'shell.session_signal': {
    id: string
    signal?: 'SIGINT' | 'SIGTERM' | 'SIGKILL' | 'SIGHUP' | 'SIGQUIT' | 'SIGSTOP' | 'SIGCONT' | 'SIGUSR1' | 'SIGUSR2' | undefined
    to?: 'foreground' | 'all' | undefined
  }
  'shell.session_write': ShellOnlineWrite
  'skill.list': Record<string, never>
  'skill.open': { name: string; file?: string | undefined }
  'skill.revoke': { target: string; dry_run?: boolean | undefined }
  'skill.run': { name: string; script: string; args?: readonly string[] | undefined; timeout_s?: number | undefined }
  'skill.search': { query: string }
  'skill.show': { target: string }
  'skill.trust': { target: string; hash: string }
  'space.clear': { ids: readonly string[]; paths?: readonly string[] | undefined }
  'space.derived': {
    path?: string | undefined
    memories?: readonly string[] | undefined
    schedules?: readonly string[] | undefined
    sessions?: readonly SessionId[] | undefined
    elsewhere?: boolean | undefined
    moved?: readonly string[] | undefined
  }
  'space.pack': { ids?: readonly string[] | undefined; after?: string | undefined; paths?: readonly string[] | undefined }
  'space.place': {
    lines: readonly string[]
    files?: readonly { path: string; labels: readonly ('untrusted' | 'private')[]; from: readonly (readonly ['untrusted' | 'private', DataOrigin])[] }[] | undefined
    shared?: { space: string; as: readonly (readonly [string, string])[] } | undefined
  }
  'state.delete': { category: string; name: string; if_version?: number | undefined }
  'state.list': { category: string; after?: string | undefined; limit?: number | undefined }
  'state.load': { category: string; name: string }
  'state.save': { category: string; name: string; data: Json; format?: 'json' | 'markdown' | undefined; if_version?: number | undefined }
  'system.calls': Record<string, never>
  'system.health': { part?: 'guest' | 'model' | 'machine' | undefined }
  'system.now': Record<string, never>
  'task.answer': { task: string; answer: string }
  'task.cancel': { task: string }
  'task.find': { task: string }
  'task.list': { agent?: string | undefined; context?: string | undefined }
  'task.notify': { task: string; targets: readonly { id: string; url: string; token: string; scheme: string; credentials: string; version: string }[] }
  'task.send': {
    agent: string
    message: string
    context?: string | undefined
    text: string
    attachments?: readonly { name: string; media_type: string; data?: string | undefined; pieces?: readonly string[] | undefined }[] | undefined
  }
  'telemetry.metrics': Record<string, never>
  'text.decode': { tokens: readonly (readonly number[])[] }
  'text.embed': { texts: readonly string[]; model?: string | undefined; dimensions?: number | undefined }
  'time.now': Record<string, never>
  'turn.cancel': { session: string; waiting?: boolean | undefined }
  'turn.cancel_all': Record<string, never>
  'turn.send': {
    text: string
    model?: string | undefined
    attachments?: readonly { name: string; media_type: string; bytes: number; pieces: readonly string[]; head?: string | undefined }[] | undefined
    client?: {
      tools: readonly { name: string; description: string; parameters: Json; tier?: 'read_only' | 'side_effecting' | 'privileged' | undefined }[]
      choice?: 'none' | 'required' | { tool: string } | undefined
      caution?: 'ask' | 'read_only' | undefined
      serial?: true | undefined
      output?: { name: string; schema: Json } | undefined
    } | undefined
    continues?: true | undefined
    source?: {
      kind: 'direct' | 'group'
      mention?: true | undefined
      reply?: true | undefined
      command?: true | undefined
      bot?: true | undefined
      channel?: string | undefined
      chat?: string | undefined
    } | undefined
  }
  'usage.series': { hours?: number | undefined }
  'vault.copy_to': { source_path: string; destination_path: string; overwrite?: boolean | undefined }
  'vault.list': { path?: string | undefined; depth?: number | undefined; skip?: number | undefined }
  'version.commit': { message: string }
  'version.diff': { path?: string | undefined; from?: string | undefined; to?: string | undefined }
  'version.log': { path?: string | undefined; from?: string | undefined; limit?: number | undefined }
  'version.restore': { path: string; at: string; apply?: boolean | undefined }
  'version.show': { path: string; at: string }
  'version.tag': { tag: string; at?: string | undefined; message?: string | undefined }
  'version.turns': { limit?: number | undefined }
  'version.undo': {
    turn?: string | undefined
    redo?: boolean | undefined
    apply?: boolean | undefined
    conflicts?: 'stop' | 'keep_later' | 'overwrite' | undefined
    digest?: string | undefined
  }
  'version.verify': Record<string, never>
  'voice.speak': { text: string; voice?: string | undefined; format?: 'ogg' | 'mp3' | 'wav' | undefined }
  'voice.transcribe': { pieces: readonly string[]; language?: string | undefined; max_seconds?: number | undefined; own?: boolean | undefined }
  'web.fetch': { url: string; format?: 'markdown' | 'text' | 'raw' | undefined; from_byte?: number | undefined; max_bytes?: number | undefined }
  'web.search': { query: string; count?: number | undefined; freshness?: 'any' | 'day' | 'week' | 'month' | 'year' | undefined }
}

/** What each of them returns. */
interface CallOutputs {
  'agent.delegate': AgentDelegate
  'agent.fan_out': {
    status: 'success' | 'failure'
    succeeded: number
    tasks: readonly {
      status: 'queued' | 'running' | 'success' | 'failure' | 'budget_exhausted' | 'cancelled' | 'timeout' | 'refused'
      agent: string
      id: string
      session: SessionId | ''
      branch: string
      value: Json
      text: string
      files: readonly string[]
      spent: { tokens: number; micro_dollars: number }
      labels: readonly ('untrusted' | 'private')[]
      code: ErrorCode | ''
      reason: string
      hint: string
      task: string
    }[]
    synthesis: AgentDelegate | null
    labels: readonly ('untrusted' | 'private')[]
  }
  'agent.find': { agents: readonly { name: string; description: string; capabilities: readonly string[]; without: readonly string[] }[] }
  'agent.handoff': { agent: string; from: string }
  'agent.kill': { killed: readonly CallId[]; state: string }
  'agent.list': {
    agents: readonly AgentListAgents[]
    admission: { running: number; queued: readonly string[]; starts_left: number; max_running: number; paused_by: readonly string[] }
  }
  'agent.pause': { agents: readonly CallId[]; state: string }
  'agent.raise': { agent: CallId; budget: { tokens?: number; micro_dollars?: number; calls?: number; seconds?: number } }
  'agent.resume': { agents: readonly CallId[]; state: string }
  'agent.revoke': { agents: readonly string[] }
  'agent.send': { to: CallId | ''; state: string; message?: string }
  'agent.spawn': AgentListAgents
  'agent.wait': { agents: readonly AgentListAgents[]; timed_out: boolean; answer?: string }
  'approval.list': readonly {
    call: CallId
    session: SessionId
    turn: TurnId
    name: string
    input: string
    reason?: string
    labels?: readonly ('untrusted' | 'private')[]
    origins?: readonly (readonly ['untrusted' | 'private', DataOrigin])[]
    inputs?: {
      program: string
      files: readonly { path: string; hash: string; script?: true }[]
      workspace?: { digest: string; unread?: number; changed: readonly string[]; except: readonly string[]; running: number }
    } | null
    agent?: string
    personal?: true
    question?: string
    at: number
    expires_at: number | null
    allowed_by: readonly string[]
    rules: readonly { scope: 'call' | 'pattern' | 'session' | 'folder'; id: string; text: string }[]
  }[]
  'approval.revoke': { revoked: string }
  'approval.rules': readonly {
    id: string
    call: string
    session: SessionId | ''
    labels: readonly ('untrusted' | 'private')[]
    by: string
    at: number
    text: string
    applies: boolean
  }[]
  'attachment.put': { piece: string; bytes: number }
  'audit.append': { seq: number; hash: string }
  'audit.archive': { files: readonly AuditArchiveFiles[]; bodies: number; bytes: number; blobs: number; upto: number }
  'audit.archives': { archives: readonly AuditArchiveFiles[] }
  'audit.cancel': { cancelled: boolean }
  'audit.query': {
    records: readonly {
      seq: number
      at: number
      actor: string
      session: SessionId | ''
      turn: TurnId | ''
      call: CallId
      name: string
      phase: 'intent' | 'parked' | 'decided' | 'started' | 'exchange' | 'outcome' | 'refused' | 'reconciled'
      body: string
      hash: string
      body_bytes?: number
    }[]
    next: number | null
  }
  'audit.restore': { bodies: number }
  'audit.status': {
    head: { seq: number; hash: string }
    checking: { began: number; done: number; total: number } | null
    last: { at: number; report: AuditStatusLastReport } | null
    signed: { seq: number; hash: string; at: number; n: number; problem: string; is_in_chain: boolean } | null
  }
  'audit.verify': AuditStatusLastReport
  'branch.create': BranchCreate
  'branch.diff': { from: string; to: string; changes: readonly { path: string; change: 'added' | 'changed' | 'deleted' }[]; total: number; text: string }
  'branch.drop': BranchCreate
  'branch.list': { branches: readonly BranchCreate[] }
  'branch.merge': {
    changes: readonly { path: string; change: 'added' | 'changed' | 'deleted' }[]
    total: number
    conflicts: readonly { path: string; why: string }[]
    before: string
    after: string
  }
  'browser.act': BrowserAct
  'browser.click': BrowserAct
  'browser.download': { downloads: readonly { path: string; url: string; bytes: number; state: 'running' | 'done' | 'failed'; problem: string }[] }
  'browser.open': BrowserAct
  'browser.screenshot': { tab: string; url: string; path: string; bytes: number; width: number; height: number; notes: readonly string[] }
  'browser.snapshot': BrowserAct
  'browser.tabs': { tabs: readonly { tab: string; current: boolean; url: string; title: string }[] }
  'browser.text': BrowserAct
  'browser.type': BrowserAct
  'budget.check': {
    covered: boolean
    reason: string
    left: { tokens: number | null; micro_dollars: number | null; calls: number | null; seconds: number | null }
  }
  'budget.forecast': {
    runs: number
    mean: { microDollars: number; tokens: number }
    worst: { microDollars: number; tokens: number }
    refused: string
    is_tight: boolean
    until: number | null
    checked_at: number
  }
  'budget.remove': { scope: string; window: string }
  'budget.reset': BudgetReset
  'budget.set': BudgetReset
  'budget.show': { session: BudgetShowSession | null; user: BudgetShowSession; budgets: readonly BudgetReset[] }
  'call.decide': { decided: boolean; rule: string | null; next: string }
  'channel.add': {
    name: string
    kind: string
    state: 'starting' | 'up' | 'down' | 'failed' | 'paused'
    why: string
    since: number
    account: string
    link: string
    console: string
    waiting: number
    undelivered: number
    failed: number
    identities: number
    hook: string
    secret: string
    replaces: boolean
  }
  'channel.approve': ChannelApprove
  'channel.ask': { asked: boolean }
  'channel.attempt': { before: { at: number; id: string } | null }
  'channel.deliver': { delivery: string }
  'channel.hook': { became: string; why: string; turn: string }
  'channel.list': readonly ChannelList[]
  'channel.log': readonly { delivery: string; kind: string; chat: string; state: string; why: string; parts: number; made_at: number }[]
  'channel.moved': { moved: number }
  'channel.notify': { notice: string }
  'channel.outbox': {
    version: number
    deliveries: readonly {
      id: string
      channel: string
      space: string
      chat: string
      thread: string
      kind: 'reply' | 'notice' | 'question'
      session: string
      turn: string
      cursor: number
      text: string
      file: { name: string; text: string } | null
      buttons: readonly (readonly { label: string; data: string }[])[]
      reply_to: string
      spoken: boolean
      guarded: boolean
      parts: readonly { at: number; id: string }[]
      state: 'open' | 'done' | 'lost' | 'dead'
      why: string
      made_at: number
      ended_at: number
    }[]
    linked_at: number
  }
  'channel.pair': { channel: string; link: string; code: string; expires_at: number; role: 'owner' | 'member' | 'guest' }
  'channel.pause': ChannelList
  'channel.places': { chats: readonly { space: string; chat: string; thread: string; kind: 'direct' | 'group' }[]; people: readonly string[] }
  'channel.post': { status: number; retry_after_s: number; why: string }
  'channel.press': { text: string }
  'channel.put': { piece: string; bytes: number }
  'channel.read': { data: string }
  'channel.receive': {
    became: 'turn' | 'command' | 'linked' | 'changed' | 'heard' | 'missed' | 'stranger' | 'ignored' | 'refused'
    why: string
    identity: string
    role: 'owner' | 'member' | 'guest' | ''
    turn: string
    silent_until: number
  }
  'channel.release': { released: 'allowed' | 'denied' | 'waits' }
  'channel.remove': { removed: string }
  'channel.resume': ChannelList
  'channel.retry': { retried: number }
  'channel.say': Record<string, never>
  'channel.sent': Record<string, never>
  'channel.speak': { media_type: string; pieces: readonly string[] }
  'channel.test': ChannelList
  'channel.wants': { files: boolean }
  'coder.add': { agent: string }
  'coder.approve': { approved: string }
  'coder.list': {
    agents: readonly {
      agent: string
      from: string
      command: string
      description: string
      files: string
      hosts: readonly string[]
      approved: boolean
      running: number
    }[]
  }
  'coder.remove': { removed: boolean }
  'coder.show': {
    identity: string
    says: string
    settings: {
      description: string
      command: string
      args: readonly string[]
      program_folder: string
      env: { [name: string]: string }
      allow: readonly string[]
      files: 'none' | 'read' | 'branch'
      timeout_s: number
    }
    digest: string
    agent: string
    state: 'new' | 'changed' | 'same'
  }
  'command.expand': { text: string }
  'command.list': { commands: readonly { name: string; description: string; hint: string }[] }
  'config.changes': {
    generation: number
    changes: readonly { key: string; before: Json; after: Json }[]
    loosened: readonly { key: string; before: Json; after: Json; at: number }[]
  }
  'config.check': { text: string; before: string; changes: readonly { key: string; before: Json; after: Json }[]; needs_new_process: readonly string[] }
  'config.reload': { generation: number; applied: readonly string[]; waiting: readonly string[] }
  'config.save': { text: string; before: string; changes: readonly { key: string; before: Json; after: Json }[]; needs_new_process: readonly string[] }
  'config.schema': JsonObject
  'config.show': {
    file: string
    text: string
    hash: string
    entries: readonly { key: readonly string[]; value: Json; source: 'default' | 'machine' | 'all_users' | 'user' | 'environment' | 'command' }[]
    problem: string
    pending: readonly string[]
    last_good: { text: string; at: number } | null
    locked: string
    restart_problem: string
  }
  'costs.show': {
    by: 'day' | 'model' | 'session' | 'agent' | 'program' | 'user'
    since: string
    until: string
    lines: readonly {
      key: string
      micro_dollars: number
      tokens: number
      calls: number
      unpriced_tokens: number
      unpriced_calls: number
      background_micro_dollars: number
    }[]
    more: number
    sum: {
      micro_dollars: number
      tokens: number
      calls: number
      unpriced_tokens: number
      unpriced_calls: number
      background_micro_dollars: number
    }
    today: { micro_dollars: number; usual_micro_dollars: number | null }
    ledger: { micro_dollars: number; tokens: number; counted_micro_dollars: number; counted_tokens: number }
  }
  'costs.verify': {
    equal: boolean
    records: { micro_dollars: number; tokens: number; calls: number }
    sums: { micro_dollars: number; tokens: number; calls: number }
    ledger: { micro_dollars: number; tokens: number }
    differs: readonly string[]
  }
  'data.extract': { value: Json; bits: number; bits_left: number }
  'definition.approve': { approved: true }
  'definition.list': {
    definitions: readonly {
      name: string
      from: 'person' | 'workspace'
      state: 'ready' | 'new' | 'changed' | 'hidden' | 'broken' | 'disabled'
      problem: string
      hash: string
    }[]
  }
  'definition.revoke': { revoked: boolean }
  'definition.show': {
    kind: 'agents' | 'graphs' | 'programs'
    name: string
    toml: string
    text: string
    character?: string
    script?: string
    module?: string
    place?: 'bundled' | 'installed'
    hides?: true
    trial?: string
    problem: string
    from: 'person' | 'workspace'
    hash: string
    state: 'ready' | 'new' | 'changed' | 'hidden' | 'broken' | 'disabled'
    table?: JsonObject
  }
  'events.next': {
    events: readonly { seq: number; at: number; kind: string; actor: string; session: string; fields: JsonObject }[]
    cursor: number
    more: boolean
  }
  'events.publish': { kind: string; data: Json; labels: readonly ('untrusted' | 'private')[] }
  'events.subscribe': { cursor: number }
  'events.unsubscribe': { existed: boolean }
  'exec.change': { allow: readonly string[]; deny: readonly string[] }
  'exec.rules': {
    shell: boolean
    env: readonly string[]
    patterns: readonly { list: 'allow' | 'deny'; pattern: string; from: 'config.toml' | 'oxbow exec' }[]
  }
  'exec.run': ExecRun
  'file.bytes': { path: string; base64: string; offset: number; bytes: number; total_bytes: number }
  'file.delete': { path: string; deleted: number }
  'file.download': { path: string; base64: string; offset: number; bytes: number; total_bytes: number; modified_at: number }
  'file.edit': { path: string; replaced: number; first_line: number; hash: string }
  'file.list': { path: string; entries: readonly { path: string; kind: 'file' | 'folder' | 'link' | 'other'; bytes: number }[]; truncated: boolean }
  'file.move': { from: string; to: string; kind: 'file' | 'folder' | 'link'; replaced: boolean }
  'file.patch': {
    files: readonly {
      path: string
      from: string
      change: 'created' | 'changed' | 'deleted' | 'moved'
      added: number
      removed: number
      hunks: number
      shifted: number
      hash: string
    }[]
  }
  'file.read': {
    path: string
    text: string
    newline: boolean
    cut: boolean
    from_line: number
    lines: number
    total_lines: number
    bytes: number
    hash: string
  }
  'file.search': {
    matches: readonly { path: string; line: number; text: string; before: readonly string[]; after: readonly string[] }[]
    files_searched: number
    truncated: boolean
  }
  'file.upload': { path: string; bytes: number; created: boolean; hash: string }
  'file.write': { path: string; bytes: number; created: boolean; hash: string }
  'flow.declassify': {
    call: CallId | ''
    session: SessionId | ''
    path: string
    labels: readonly ('untrusted' | 'private')[]
    digest: string
    content: string
    done: boolean
    left: readonly ('untrusted' | 'private')[]
  }
  'flow.revoke': { revoked: boolean }
  'flow.show': {
    labels: readonly ('untrusted' | 'private')[]
    origins: readonly (readonly ['untrusted' | 'private', DataOrigin])[]
    declassified: readonly ('untrusted' | 'private')[]
    files: readonly { path: string; labels: readonly ('untrusted' | 'private')[] }[]
    programs: readonly { program: DataOrigin; labels: readonly ('untrusted' | 'private')[] }[]
    done: readonly {
      call: CallId | ''
      session: SessionId | ''
      path: string
      labels: readonly ('untrusted' | 'private')[]
      digest: string
      id: CallId
      by: string
      reason: string
      at: number
    }[]
  }
  'flow.why': {
    session: string
    given: readonly ('untrusted' | 'private')[]
    readings: readonly {
      seq: number
      at: number
      call: string
      name: string
      labels: readonly ('untrusted' | 'private')[]
      origins: readonly string[]
      declassified: boolean
    }[]
    more: number
    call: { name: string; labels: readonly ('untrusted' | 'private')[]; outcome: string; reason: string } | null
  }
  'folder.sync': { folders: readonly { name: string; read_only: boolean; problem: string }[] }
  'goal.answer': { goal: string; answered: number }
  'goal.edit': { goal: string; seed_hash: string }
  'goal.lineage': {
    generations: readonly {
      number: number
      seed: string
      parent: string
      by: 'model' | 'person' | 'kernel'
      score: number | null
      passed: boolean
      notes: readonly string[]
      best: boolean
    }[]
    total: number
  }
  'goal.list': {
    goals: readonly {
      id: TurnId
      request: string
      status: 'running' | 'paused' | 'reached' | 'ended' | 'failed'
      phase: 'interview' | 'asking' | 'seed' | 'review' | 'execute' | 'check' | 'judge' | 'evolve' | 'finish'
      generation: number
      best: { generation: number; score: number; passed: boolean } | null
      waiting_for: string
      created_at: number
      ended_at: number | null
    }[]
  }
  'goal.pause': GoalPause
  'goal.resume': GoalPause
  'goal.show': GoalPause
  'goal.start': GoalPause
  'goal.stop': {
    id: TurnId
    request: string
    status: 'running' | 'paused' | 'reached' | 'ended' | 'failed'
    phase: 'interview' | 'asking' | 'seed' | 'review' | 'execute' | 'check' | 'judge' | 'evolve' | 'finish'
    generation: number
    best: { generation: number; score: number; passed: boolean } | null
    waiting_for: string
    created_at: number
    ended_at: number | null
    session: SessionId
    home: SessionId | ''
    labels: readonly ('untrusted' | 'private')[]
    options: { just_do_it: boolean; review: boolean; max_generations: number; judges: number }
    deadline: number | null
    step: number
    failure: string
    rounds: readonly GoalPauseRounds[]
    questions: readonly { type: 'single' | 'multi' | 'text' | 'yes_no'; text: string; choices: readonly string[] }[]
    seed_hash: string
    seed: GoalPauseSeed | null
    generations: readonly GoalPauseGenerations[]
    generations_total: number
    spent: { tokens: number; micro_dollars: number }
    end: GoalPauseEnd | null
    stopped: boolean
  }
  'graph.answer': { answered: string }
  'graph.cancel': {
    id: TurnId
    graph: string
    status: 'running' | 'waiting' | 'success' | 'failure' | 'failed' | 'cancelled'
    session: SessionId
    home: SessionId | ''
    output: JsonObject
    text: string
    failure: { code: ErrorCode; message: string; hint: string; status?: number; node: string } | null
    labels: readonly ('untrusted' | 'private')[]
    version: string
    position: string
    created_at: number
    ended_at: number | null
    resumed: number
    state: JsonObject
    paths: readonly { key: string; graph: string; node: string; attempt: number; since: number; status: string }[]
    visits: number
    waiting_for: string
    questions: readonly { call: CallId; node: string; question: string; choices: readonly string[] }[]
    spent: { tokens: number; micro_dollars: number }
    cancelled: boolean
  }
  'graph.check': { ok: boolean; problems: readonly { at: string; message: string; hint: string }[]; nodes: readonly string[] }
  'graph.list': { runs: readonly GraphListRuns[] }
  'graph.resume': GraphListRuns
  'graph.run': GraphListRuns
  'graph.show': GraphListRuns
  'guest.restart': { restarting: boolean }
  'guest.stop': { stopping: boolean }
  'heartbeat.now': HeartbeatNow
  'heartbeat.off': HeartbeatNow
  'heartbeat.on': HeartbeatNow
  'heartbeat.show': HeartbeatNow
  'heartbeat.snooze': HeartbeatNow
  'identity.link': ChannelApprove
  'identity.list': readonly ChannelApprove[]
  'identity.unlink': { unlinked: string }
  'key.create': {
    id: string
    name: string
    rights: readonly string[]
    created_at: number
    created_by: string
    expires_at: number | null
    used_at: number | null
    key: string
  }
  'key.list': readonly {
    id: string
    name: string
    rights: readonly string[]
    created_at: number
    created_by: string
    expires_at: number | null
    used_at: number | null
  }[]
  'key.revoke': { revoked: string }
  'machine.log': {
    folder: string
    lines: readonly {
      time: string
      level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
      role: 'runner' | 'guest' | 'hands' | 'plugins' | 'daemon'
      msg: string
      session?: string
      turn?: string
      call?: string
      more: JsonObject
    }[]
  }
  'machine.spaces': {
    spaces: readonly {
      space: string
      user: string
      is_here: boolean
      in_use: boolean
      archived: boolean
      running: boolean
      about: string
      words: readonly string[]
      paths: readonly string[]
      created_at: number
      shared: readonly { from: string; folder: string; memory: string; copy: string; read_only: boolean }[]
      file_bytes: number | null
      store_bytes: number | null
    }[]
  }
  'machine.users': {
    users: readonly {
      user: string
      state: 'running' | 'stopped'
      by: 'service' | 'terminal' | 'nobody'
      pid: number | null
      address: string
      is_you: boolean
    }[]
  }
  'media.read': { data: string; bytes: number }
  'memory.confirm': { note_id: string; message: string }
  'memory.contradict': { note_id: string; message: string }
  'memory.delete': { note_id: string; message: string }
  'memory.expand': { from: number; to: number; messages: number; next_offset: number | null }
  'memory.export': { lines: readonly string[]; next: string | null }
  'memory.forget': {
    entries: readonly { id: string; kind: string; text: string }[]
    records: readonly { seq: number; at: number; name: string; phase: string; session: string }[]
    marks: readonly { text: string; entries: number }[]
    labels: readonly ('untrusted' | 'private')[]
    dry_run: true
  } | {
    entries: readonly { id: string; kind: string; text: string }[]
    records: readonly { seq: number; at: number; name: string; phase: string; session: string }[]
    marks: readonly { text: string; entries: number }[]
    labels: readonly ('untrusted' | 'private')[]
    bodies: number
    blobs: number
    derived: number
    later: readonly number[]
    running: readonly TurnId[]
    left: number
    dry_run: false
  }
  'memory.import': { added: number; replaced: number; unchanged: number; conflicts: readonly string[]; refused: readonly { line: number; why: string }[] }
  'memory.ingest': {
    documents: readonly { address: string; state: 'new' | 'replaced' | 'unchanged' | 'removed' | 'missing'; sections: number; characters: number }[]
    failed: readonly { path: string; code: string; message: string }[]
    truncated: boolean
  }
  'memory.map': {
    by: 'meaning' | 'time'
    points: readonly {
      id: string
      kind: 'message' | 'note' | 'fact' | 'document' | 'summary'
      text: string
      tags: readonly string[]
      created_at: number
      x: number
      y: number
    }[]
  }
  'memory.pin': { note_id: string; message: string }
  'memory.promote': { note_id: string; message: string }
  'memory.reindex': { messages: number; written: number; vectors: boolean }
  'memory.report': { id: string; changes: number; asks: number }
  'memory.save': { note_id: string; message: string }
  'memory.search': readonly {
    note_id: string
    text: string
    match: string
    score: number
    weak: boolean
    source: 'user_memory' | 'conversation' | 'document' | 'summary'
    tags: readonly string[]
    created_at: number
    updated_at: number
    author: string
    labels: readonly ('untrusted' | 'private')[]
    holds: boolean
    superseded_by: string
    contradicts: readonly string[]
    why: {
      textRank: number | null
      textScore: number | null
      vectorRank: number | null
      vectorScore: number | null
      closeness: number | null
      exact: readonly string[]
      prior: number
      standsFor: readonly string[]
    }
  }[]
  'memory.stats': {
    entries: number
    passages: number
    byKind: { [Key in 'message' | 'note' | 'fact' | 'document' | 'summary']?: number }
    models: readonly { model: string; dims: number; state: 'building' | 'active'; vectors: number }[]
    bytes: number
    indexed: number
    journal: number
    waiting: number
    problem: string | null
  }
  'memory.supersede': { note_id: string; message: string; superseded: string }
  'memory.tidy': {
    learned: number
    merged: number
    superseded: number
    flagged: number
    settled: number
    dropped: number
    asks: readonly string[]
    report: number
    id: CallId
  }
  'memory.undo': { undone: number; kept: number }
  'memory.update': { note_id: string; message: string }
  'memory.valid': { note_id: string; message: string }
  'memory.why': {
    id: string
    kind: 'message' | 'note' | 'fact' | 'document' | 'summary'
    type: 'user_profile' | 'preference' | 'decision' | 'knowledge' | 'skill' | 'fact' | 'episode' | 'session' | 'conversation'
    text: string
    tags: readonly string[]
    labels: readonly ('untrusted' | 'private')[]
    importance: number
    tier: 'hot' | 'warm' | 'cold'
    protection: 'none' | 'low' | 'medium' | 'high' | 'permanent'
    accesses: number
    created_at: number
    updated_at: number
    valid_from: number
    valid_to: number | null
    holds: boolean
    by: { actor: string; session: string; turn: string; call: string; author: string }
    record: {
      seq: number
      at: number
      actor: string
      session: string
      turn: string
      call: string
      name: string
      phase: string
      hash: string
      erased: boolean
    } | null
    promoted: { by: string; at: number } | null
    superseded_by: { id: string; text: string } | null
    supersedes: readonly { id: string; text: string }[]
    contradicts: readonly { id: string; text: string }[]
    confirmed_by: readonly { id: string; text: string }[]
    learned_by?: 'rule' | 'model'
  }
  'model.discover': {
    services: readonly {
      id: string
      name: string
      baseUrl: string
      models: readonly { name: string; contextTokens: number | null }[]
      configLines: readonly string[]
    }[]
  }
  'model.list': { total: number; models: readonly ModelListModels[] }
  'model.probe': { models: readonly { name: string; contextTokens: number | null }[] | null; contextTokens: number | null; betterUrl: string }
  'model.services': {
    model: ModelListModels
    fallback: readonly string[]
    services: readonly {
      id: string
      name: string
      base_url: string
      key_names: readonly string[]
      key: 'present' | 'missing' | 'not_needed'
      is_default: boolean
      default_model: string
    }[]
  }
  'model.show': { facts: ModelListModels; origins: { [name: string]: string } }
  'model.usable': { models: readonly { id: string; context_tokens: number; is_recent: boolean }[] }
  'output.read': { text: string }
  'people.add': PeopleAdd
  'people.list': readonly PeopleAdd[]
  'people.remove': { removed: string; keys: number }
  'people.sign_in': { person: string; roles: readonly string[] }
  'persona.list': {
    personas: readonly {
      name: string
      from: 'person' | 'workspace'
      state: 'ready' | 'new' | 'changed' | 'hidden' | 'broken' | 'disabled'
      problem: string
      description: string
      style: string
      model: string
      memory: string
      sessions: readonly SessionId[]
    }[]
    most: number
  }
  'persona.release': { sessions: readonly SessionId[] }
  'plan.apply': PlanApply
  'plan.drop': PlanApply
  'plan.list': {
    plans: readonly {
      id: CallId
      state: 'making' | 'ready' | 'failed' | 'applying' | 'stopped' | 'applied' | 'dropped'
      text: string
      total: number
      created_at: number
      effects: number
    }[]
  }
  'plan.make': PlanApply
  'plan.show': PlanApply
  'plugin.change': { plugin: string }
  'plugin.create': { plugin: string }
  'plugin.info': {
    exports: {
      actions: readonly {
        name: string
        description: string
        similes: readonly string[]
        parameters: JsonObject
        effect: 'none' | 'idempotent' | 'once'
        tier: 'read_only' | 'side_effecting' | 'privileged'
      }[]
      providers: readonly { name: string; description: string; position: number; private: boolean; dynamic: boolean; deadline_ms: number }[]
      evaluators: readonly { name: string; description: string; always: boolean }[]
      services: readonly { type: string; description: string }[]
      models: readonly { type: string; provider: string; priority: number }[]
      routes: readonly { method: string; path: string; public: boolean }[]
      tasks: readonly { name: string; every_s: number | null; cron: string | null }[]
      events: readonly string[]
      hooks: readonly { step: string; fail: 'open' | 'closed' }[]
    } | null
    failure: Failure | null
    state: {
      phase: 'stopped' | 'starting' | 'running' | 'waiting' | 'disabled'
      problem: string
      crashes: number
      log: string
      withheld?: readonly string[]
    }
    data: { bytes: number; max_bytes: number }
    counts: {
      states: { hits: number; misses: number; hit_ratio: number; entries: number; bytes: number }
      events: { delivered: number; failed: number; lost: number }
    }
  }
  'plugin.install': PluginInstall
  'plugin.installed': {
    plugins: readonly {
      plugin: string
      version: string
      description: string
      source: string
      integrity: string
      hash: string
      signed_by: string
      needs: readonly string[]
      may: readonly string[]
      approved_by: string
      approved_at: number
      enabled: boolean
      granted: boolean
      problem: string
    }[]
  }
  'plugin.list': {
    plugins: readonly {
      plugin: string
      version: string
      phase: 'stopped' | 'starting' | 'running' | 'waiting' | 'disabled'
      problem: string
      crashes: number
    }[]
  }
  'plugin.look': PluginInstall
  'plugin.propose': { manifest: string; files: number; bytes: number; found: { [name: string]: readonly string[] } }
  'plugin.reload': { phase: string }
  'plugin.sign': { fingerprint: string; made_key: boolean }
  'plugin.sync': { plugins: readonly string[]; problems: { [name: string]: string }; untagged: number }
  'plugin.test': { results: readonly { suite: string; name: string; ok: boolean; problem: string }[] }
  'program.calls': {
    calls: readonly { name: string; summary: string; effect: string; bound_by: 'paths' | 'hosts' | ''; input?: JsonObject; output?: JsonObject }[]
  }
  'program.cancel': {
    id: TurnId
    program: string
    version: string
    status: 'running' | 'waiting' | 'success' | 'failed' | 'cancelled' | 'planned'
    session: SessionId | ''
    input: JsonObject
    result: Json
    printed: string
    failure: { code: ErrorCode; message: string; hint: string; status?: number } | null
    labels: readonly ('untrusted' | 'private')[]
    rights: readonly string[]
    missing: readonly string[]
    depth: number
    created_at: number
    ended_at: number | null
    waiting_for: string
    spent: { tokens: number; micro_dollars: number }
    cancelled: boolean
  }
  'program.disable': { program: string; changed: boolean }
  'program.enable': { program: string; changed: boolean }
  'program.info': {
    name: string
    version: string
    description: string
    author: string
    kind: 'script' | 'module' | 'agent'
    place: 'own' | 'installed' | 'bundled'
    hides_own: boolean
    on_trial: boolean
    tool: boolean
    enabled: boolean
    active: boolean
    schedules: number
    hash: string
    problem: string
    may: readonly string[]
    toml: string
    instructions: string
    script: string
  }
  'program.install': ProgramInstall
  'program.list': {
    programs: readonly {
      name: string
      version: string
      description: string
      author: string
      kind: 'script' | 'module' | 'agent'
      place: 'own' | 'installed' | 'bundled'
      hides_own: boolean
      on_trial: boolean
      tool: boolean
      enabled: boolean
      active: boolean
      schedules: number
      hash: string
      problem: string
    }[]
  }
  'program.look': ProgramInstall
  'program.new': { program: string; folder: string }
  'program.remove': { program: string; version: string }
  'program.rollback': { program: string; version: string }
  'program.run': ProgramRun
  'program.runs': { runs: readonly ProgramRun[] }
  'program.show': ProgramRun
  'program.test': { results: readonly { name: string; ok: boolean; problem: string }[] }
  'program.verify': {
    ok: boolean
    problems: readonly { file: 'program.toml' | 'SKILL.md' | 'main.js' | 'main.wasm'; line: number; message: string }[]
    warnings: readonly { file: 'program.toml' | 'SKILL.md' | 'main.js' | 'main.wasm'; line: number; message: string }[]
  }
  'remote.add': { remote: string }
  'remote.approve': { call: string }
  'remote.diff': {
    remote: string
    state: 'new' | 'changed' | 'same'
    problem: string
    approved: RemoteDiffApproved | null
    now: RemoteDiffApproved
    digest: string
  }
  'remote.list': {
    remotes: readonly {
      remote: string
      from: string
      url: string
      enabled: boolean
      approved: boolean
      changed: boolean
      description: string
      skills: readonly string[]
    }[]
  }
  'remote.remove': { removed: boolean }
  'remote.switch': { remote: string; enabled: boolean }
  'resources.show': { now: ResourcesShowNow; overloads: readonly string[]; history: readonly ResourcesShowNow[] }
  'role.list': readonly { role: string; rights: readonly string[]; by: string }[]
  'role.remove': { removed: string }
  'role.set': { role: string; rights: readonly string[]; by: string }
  'schedule.create': ScheduleCreate
  'schedule.delete': { deleted: string }
  'schedule.edit': ScheduleCreate
  'schedule.run_output': { text: string; total_bytes: number; remaining_bytes: number }
  'schedule.runs': {
    runs: readonly {
      schedule: string
      due_at: number
      attempt: number
      status: 'waiting' | 'running' | 'success' | 'failed' | 'cancelled' | 'skipped'
      started_at: number
      ended_at: number | null
      turn: TurnId
      session: SessionId | ''
      summary: string
      notify: boolean
      labels?: readonly ('untrusted' | 'private')[]
      spent_before?: { microDollars: number; tokens: number }
      used?: { microDollars: number; tokens: number }
    }[]
  }
  'schedule.search': { schedules: readonly ScheduleCreate[]; total: number }
  'schedule.trigger': { turn: string }
  'scratchpad.clear': { session_id: string; items: readonly string[]; updated_at: number | null; item_count: number }
  'scratchpad.read': { session_id: string; items: readonly string[]; updated_at: number | null; item_count: number }
  'scratchpad.write': { session_id: string; items: readonly string[]; updated_at: number | null; item_count: number }
  'secret.allow': { name: string; calls: readonly string[]; hosts: readonly string[]; env: string }
  'secret.found': readonly { name: string; handle: string; kind: string; call: string; session: string; at: number; masked: string; released: boolean }[]
  'secret.list': readonly {
    name: string
    calls: readonly string[]
    hosts: readonly string[]
    env: string
    handle: string
    source: string
    characters: number
    masked: string
  }[]
  'secret.release': { name: string }
  'secret.remove': { name: string }
  'secret.reveal': { name: string; value: string }
  'secret.set': { name: string; changed: boolean }
  'secret.withdraw': { name: string; calls: readonly string[]; hosts: readonly string[]; env: string }
  'server.add': { server: string }
  'server.approve': { approved: readonly string[] }
  'server.diff': {
    server: string
    identity: { approved: string; now: string }
    instructions: { approved: string; now: string }
    offers: { approved: { resources: boolean; prompts: boolean }; now: { resources: boolean; prompts: boolean } }
    tools: readonly {
      tool: string
      call: string
      state: 'new' | 'changed' | 'same' | 'gone'
      problem: string
      approved: ServerDiffToolsApproved | null
      now: ServerDiffToolsApproved | null
      read_only: boolean
      sink: boolean
    }[]
    digest: string
  }
  'server.discover': {
    servers: readonly {
      server: string
      file: string
      command: string
      args: readonly string[]
      url: string
      env: { [name: string]: string }
      headers: { [name: string]: string }
    }[]
  }
  'server.install': { command: string; args: readonly string[]; program_folder: string; lock: string }
  'server.list': {
    servers: readonly {
      server: string
      from: string
      what: string
      settings: {
        command: string
        args: readonly string[]
        program_folder: string
        lock: string
        url: string
        env: { [name: string]: string }
        headers: { [name: string]: string }
        client_id: string
        client_secret: string
        folders: readonly string[]
        allow: readonly string[]
        timeout_s: number
        sampling_tokens: number
      }
      enabled: boolean
      running: boolean
      approved: number
      quarantined: readonly string[]
      log: string
    }[]
  }
  'server.login': { url: string }
  'server.login_end': { signed_in: true }
  'server.packages': { packages: readonly { name: string; version: string; integrity: string; has_scripts: boolean }[]; digest: string }
  'server.remove': { removed: boolean }
  'server.switch': { server: string; enabled: boolean }
  'server.uninstall': { server: string }
  'session.agent': { agent: string }
  'session.archive': SessionArchive
  'session.compact': { messages: number; by: string }
  'session.create': { id: SessionId; title: string }
  'session.delete': SessionArchive
  'session.diff': {
    a: { turns: number; answers: number; calls: number; micro_dollars: number; tokens: number; ms: number }
    b: { turns: number; answers: number; calls: number; micro_dollars: number; tokens: number; ms: number }
    same: number
    rows: readonly {
      kind: 'message' | 'answer' | 'call' | 'end'
      change: 'same' | 'changed' | 'only_a' | 'only_b'
      a: SessionDiffRowsA | null
      b: SessionDiffRowsA | null
      request: { where: string; was: string; now: string } | null
    }[]
    more: number
    files: readonly { path: string; in: 'a' | 'b' | 'both'; same: boolean | null }[]
    cut: boolean
  }
  'session.export': { format: 'json' | 'markdown'; turns: number; file: string }
  'session.fork': { session: SessionId; change: SessionArchiveChange; branch: string }
  'session.import': { session: SessionId; title: string; turns: number; agent: string }
  'session.list': readonly {
    id: SessionId
    title: string
    created_at: number
    active_at: number
    turns: number
    busy: boolean
    archived_at?: number
    parent?: SessionId
    forked_at?: number
    agent?: string
    folder?: string
  }[]
  'session.mode': { mode: 'configured' | 'ask' | 'read_only' }
  'session.records': {
    records: readonly {
      seq: number
      at: number
      actor: string
      session: SessionId | ''
      turn: TurnId | ''
      call: CallId
      name: string
      phase: 'intent' | 'parked' | 'decided' | 'started' | 'exchange' | 'outcome' | 'refused' | 'reconciled'
      body: Json
    }[]
    next: number | null
  }
  'session.rename': SessionArchive
  'session.replay': {
    session: string
    turns: number
    steps: number
    calls: number
    compared: number
    ms: number
    divergence: { turn: number; step: number; what: 'request' | 'call' | 'answer' | 'end'; where: string; was: string; now: string } | null
  }
  'session.set_mode': { mode: 'configured' | 'ask' | 'read_only' }
  'shell.background': ShellBackground
  'shell.exec': ExecRun
  'shell.online': {
    exit_code: number | null
    signal: string | null
    timed_out: boolean
    stdout: string
    stderr: string
    stdout_bytes: number
    stderr_bytes: number
    duration_ms: number
    hosts: readonly ShellOnlineHosts[]
    more_connections: number
  }
  'shell.online_background': ShellBackground
  'shell.online_session': { id: string; terminal: boolean }
  'shell.online_write': {
    text: string
    from: number
    next: number
    total: number
    dropped: number
    running: boolean
    waits_for_input: boolean
    exit_code: number | null
    signal: string | null
    hosts: readonly ShellOnlineHosts[]
    more_connections: number
  }
  'shell.session_close': { exit_code: number | null; signal: string | null; total: number }
  'shell.session_list': { sessions: readonly { id: string }[] }
  'shell.session_open': { id: string; terminal: boolean }
  'shell.session_read': ShellSessionRead
  'shell.session_resize': { columns: number; rows: number }
  'shell.session_signal': { processes: number }
  'shell.session_write': ShellSessionRead
  'skill.list': {
    items: readonly {
      kind: 'skill' | 'instructions' | 'command'
      name: string
      place: 'agent' | '.agents' | '.claude' | 'user' | 'bundled' | 'workspace'
      agent: string
      path: string
      description: string
      state: 'ready' | 'new' | 'changed' | 'hidden' | 'broken'
      problem: string
    }[]
  }
  'skill.open': { name: string; place: string; folder: string; files: readonly string[] }
  'skill.revoke': { revoked: readonly string[] }
  'skill.run': { exit_code: number | null; timed_out: boolean; output: string }
  'skill.search': { skills: readonly { name: string; description: string }[] }
  'skill.show': {
    name: string
    kind: string
    path: string
    hash: string
    state: string
    problem: string
    files: readonly { path: string; executable: boolean; text: string | null }[]
    difference: string
  }
  'skill.trust': { path: string; name: string }
  'space.clear': { memories: number; files: number }
  'space.derived': {
    sessions: readonly { id: SessionId; title: string }[]
    memories: readonly string[]
    files: readonly string[]
    state: readonly { category: string; name: string }[]
    past: readonly SessionId[]
  }
  'space.pack': {
    lines: readonly string[]
    next: string | null
    files: readonly { path: string; labels: readonly ('untrusted' | 'private')[]; from: readonly (readonly ['untrusted' | 'private', DataOrigin])[] }[]
  }
  'space.place': { memories: number; files: number }
  'state.delete': { existed: boolean }
  'state.list': { documents: readonly { name: string; version: number; saved_at: number; saved_by: string }[]; next: string | null }
  'state.load': { category: string; name: string; format: 'json' | 'markdown'; data: Json; version: number; saved_at: number; saved_by: string }
  'state.save': { version: number }
  'system.calls': readonly {
    name: string
    summary: string
    tier: string
    right: string
    effect: string
    audience: readonly ('model' | 'terminal' | 'runtime')[]
    rare: boolean
    unavailable: string
    timeout_ms: number | null
    input: JsonObject
    output: JsonObject
    example: Json
    routes: readonly { method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'; path: string; list?: string; status?: 200 | 201 }[]
  }[]
  'system.health': {
    at: number
    checks: readonly { name: string; state: 'ok' | 'weak' | 'missing'; says: string; fix: string; required: boolean; ms: number }[]
  }
  'system.now': {
    at: number
    turns: readonly { session: SessionId; turn: TurnId; title: string; since: number; waiting: number }[]
    calls: readonly { call: CallId; name: string; actor: string; session: SessionId | ''; turn: TurnId | ''; elapsed_ms: number }[]
    approvals: readonly { call: CallId; session: SessionId | ''; name: string; since: number }[]
    admission: { running: number; queued: readonly string[]; starts_left: number; max_running: number; paused_by: readonly string[] }
    next_at: number | null
  }
  'task.answer': { released: true }
  'task.cancel': { cancelled: boolean }
  'task.find': TaskFind
  'task.list': { tasks: readonly TaskFind[] }
  'task.notify': TaskFind
  'task.send': {
    task: TurnId
    context: SessionId
    agent: string
    owner: string
    message: string
    cursor: number
    created_at: number
    targets: readonly { id: string; url: string; token: string; scheme: string; credentials: string; version: string }[]
    duplicate: boolean
  }
  'telemetry.metrics': { text: string; sent: number; dropped: number; waiting: number; problem: string }
  'text.decode': { texts: readonly string[] }
  'text.embed': { vectors: readonly string[]; model: string; dimensions: number; tokens: number }
  'time.now': { local: string; weekday: string; zone: string; unix_ms: number }
  'turn.cancel': { cancelled: boolean; turns: number }
  'turn.cancel_all': { cancelled: number }
  'turn.send': {
    status: 'ok' | 'failed' | 'cancelled' | 'limit'
    turn: TurnId
    reply: string
    steps: number
    failure: Failure | null
    calls?: readonly { call: CallId; name: string; arguments: string }[]
    decision?: { action: 'respond' | 'ignore' | 'stop'; by: 'rule' | 'model' | 'hook'; reason: string }
  } | { status: 'merged'; into: TurnId; reply: '' }
  'usage.series': { from: number; hours: readonly { at: number; micro_dollars: number; tokens: number; calls: number; ms: number }[] }
  'vault.copy_to': { operation: string; source_path: string; destination_path: string; bytes: number; sha256: string; created: boolean }
  'vault.list': { entries: readonly { path: string; kind: 'file' | 'folder' | 'link' | 'other'; bytes: number }[]; truncated: boolean }
  'version.commit': { commit: string | null; changed: boolean; files: number; state: readonly { document: string; version: number }[] }
  'version.diff': { from: string; to: string; changes: readonly { path: string; change: 'added' | 'changed' | 'deleted' }[]; total: number; text: string }
  'version.log': {
    commits: readonly {
      commit: string
      parents: readonly string[]
      author: string
      at: number
      subject: string
      trailers: { [name: string]: string }
      tags: readonly string[]
      labels: readonly ('untrusted' | 'private')[] | null
    }[]
  }
  'version.restore': {
    commit: string
    changes: readonly { path: string; change: 'added' | 'changed' | 'deleted' }[]
    total: number
    before: string
    after: string
  }
  'version.show': { commit: string; bytes: number; text: string; truncated: boolean }
  'version.tag': { commit: string }
  'version.turns': {
    turns: readonly { turn: string; session: string; subject: string; author: string; at: number; commit: string; undoes: string; undone: boolean }[]
  }
  'version.undo': {
    undo: string
    turn: string
    subject: string
    changes: readonly { path: string; change: 'added' | 'changed' | 'deleted' }[]
    total: number
    conflicts: readonly { path: string; why: string }[]
    others: readonly string[]
    outside: readonly { id: string; call: string; compensation: { call: string; input: Json } | null }[]
    diff: string
    digest: string
  }
  'version.verify': { ok: boolean; commits: number; objects: number; problems: readonly string[] }
  'voice.speak': { media_type: string; bytes: number; pieces: readonly string[] }
  'voice.transcribe': { text: string; seconds: number }
  'web.fetch': {
    url: string
    final_url: string
    redirects: number
    status: number
    content_type: string
    bytes: number
    title: string
    text: string
    from_byte: number
    next_byte: number | null
    total_bytes: number
    truncated: boolean
    note: string
  }
  'web.search': {
    query: string
    provider: string
    base_url: string
    result_count: number
    results: readonly { index: number; title: string; url: string; display_url: string; snippet: string }[]
  }
}

/** The input of a call; of one that a plugin or a server of tools has added, any JSON. */
export type InputOf<Name extends string> = Name extends keyof CallInputs ? CallInputs[Name] : Json

/** The output of a call; of one that a plugin or a server of tools has added, any JSON. */
export type OutputOf<Name extends string> = Name extends keyof CallOutputs ? CallOutputs[Name] : Json
