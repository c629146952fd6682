/**
 * Types with the fields of a schema that may stay, with the reason. The list may only become shorter: a new type comes from its schema, and
 * an entry that excuses nothing is reported.
 */

/** The compiler holds the schema to the type, and the type stands where nobody may load zod or import the schema's module. */
const held = 'its schema is declared as a schema of this type, so neither can change alone, and the type stands in a lower module'
const narrower = 'what the lower module takes or returns; the call passes its parsed input or its output, which the compiler compares'
const accident = 'something else that happens to have the same fields'

export const schemaTwins: Readonly<Record<string, readonly [type: string, reason: string][]>> = {
  'src/cli/servers/servers.ts': [['PromptLine', 'of a call whose name holds the name of a server, so OutputOf does not know it']],
  'src/config/guest.ts': [
    ['BackupManifest', held],
    ['LeftOut', held],
    ['BackupPart', held],
  ],
  'src/gateway/http/send-json.ts': [['Problem', accident]],
  'src/gateway/mcp/offer.ts': [['PromptMessage', accident]],
  'src/gateway/open-ai/conversation.ts': [['FirstIssue', accident]],
  'src/hands/commands/process-tree.ts': [['OwnerUsage', narrower]],
  'src/kernel/records/sessions.ts': [['ListInput', narrower]],
  'src/kernel/turns/lanes-interface.ts': [['TurnInput', narrower]],
  'src/plugin-sdk/fake-process.ts': [['FakeResponse', 'for authors of plugins, whose types import nothing']],
  'src/protocol/frame.ts': [
    ['ClientTools', held],
    ['ClientResult', held],
    ['SentFile', held],
  ],
  'src/protocol/output-schema.ts': [['Spend', held]],
  'src/protocol/plugin/plugin-frames.ts': [
    ['PluginActionResult', held],
    ['PluginProvided', held],
    ['PluginHookResult', held],
  ],
  'src/protocol/plugin/plugin-manifest.ts': [
    ['PluginRights', held],
    ['PluginManifest', held],
  ],
  'src/protocol/record.ts': [['ErasedBody', 'of a record; the schema reads recordings, which versions before this one have written']],
  'src/protocol/service-verb.ts': [['CallRoute', narrower]],
  'src/sandbox/egress/proxy-passes.ts': [
    ['Visit', narrower],
    ['Visits', narrower],
  ],
  'src/services/agents/agent-record.ts': [['Delegation', 'of a document that is read at the start, where no schema is loaded']],
  'src/services/graphs/graph-record.ts': [['Named', accident]],
  'src/skills/disclosure.ts': [['Disclosed', narrower]],
  'src/store/memory.ts': [['MemoryModel', narrower]],
  'src/store/secrets/secret-store.ts': [['DataKey', accident]],
  'src/store/store.ts': [['DocumentQuery', accident]],
  'src/tools/search/search-services.ts': [['SearchQuery', narrower]],
}
