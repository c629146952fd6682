/** Types `Value | Promise<Value>` that may stay, with the reason. The list may only become shorter: an entry that excuses nothing is reported. */
const turn = 'a turn asks it of each message, and most have the answer at hand: a promise would put a wait into each'
const authors = 'what authors write: a plain function, or an async one where it has to wait; it is awaited in one place'
const call = 'nearly every call knows it at once; the gate waits only for one that does not'

export const maybePromises: Readonly<Record<string, readonly [type: string, reason: string][]>> = {
  'src/memory/keep/memory-presence.ts': [['boolean | Promise<boolean>', turn]],
  'src/memory/recall/turn-side.ts': [
    ['boolean | Promise<boolean>', turn],
    ['number | Promise<number>', turn],
  ],
  'src/plugin-host/plugin-object.ts': [
    ['boolean | Promise<boolean>', authors],
    ['HookVerdict<Step> | Promise<HookVerdict<Step>>', authors],
  ],
  'src/protocol/call.ts': [['Spend | Promise<Spend>', call]],
  'src/protocol/service-verb.ts': [
    ['JsonObject | Promise<JsonObject>', authors],
    ['string | Promise<string>', authors],
  ],
  'src/runs/timing.ts': [
    ['Found | null | Promise<Found | null>', 'what is waited for is mostly a fact in memory, and looked at with each change'],
  ],
  'src/runtime/pipeline.ts': [
    ['boolean | Promise<boolean>', turn],
    ['number | Promise<number>', turn],
    ['string | Promise<string>', turn],
  ],
  'src/sdk/approvals.ts': [['Decision | Promise<Decision>', authors]],
  'src/sdk/model.ts': [['Answered | Promise<Answered> | AsyncIterable<Answered>', authors]],
  'src/sdk/tools.ts': [['SchemaResult<Output> | Promise<SchemaResult<Output>>', 'the interface of Standard Schema']],
}
