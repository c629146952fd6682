/**
 * Files that may stay small. A product file under 40 lines, or under 60 whose only importer is in its folder, is a slice of a larger
 * idea unless it has a reason: public APIs, limits and entry points have one by name, all others here. An entry that excuses nothing
 * is reported.
 */
import type { DepthRules } from './shape-rules.ts'

export const depthRules: DepthRules = {
  /** Modules that the rule applies to. */
  deepModules: new Set([
    'cli',
    'client',
    'engine',
    'gateway',
    'guest',
    'hands',
    'kernel',
    'memory',
    'runner',
    'runtime',
    'terminal',
    'tui',
    'tools',
    'base',
    'config',
    'protocol',
  ]),
  smallFiles: {
    'src/base/database-head.ts': 'one question that the store and the runner ask, who may not import each other',
    'src/base/links.ts': 'one rule for links, for sandboxes and packages, which no start loads',
    'src/cli/recent-records.ts': 'reads the end of a journal without its guest, for the chat and for approvals',
    'src/guest/app-source.ts': 'calls of a program that embeds the guest, which no other start loads',
    'src/cli/early-guest.ts': 'loaded before all else, so it may bring nothing along',
    'src/cli/kernel/exec.ts': 'the run of a program by `oxbow exec run`, which is loaded when it is chosen',
    'src/hands/commands/kept-memory.ts':
      'the one place that knows what outlives a command outside of files; the check of files and the usage ask it',
    'src/runner/config/start-config.ts': 'how terminals and the daemon alike come to a configuration whatever is wrong with the files',
    'src/base/sealed.ts': 'the one place with the cipher of everything that is sealed',
    'src/runner/packages/loaded-later.ts': 'what verbs load when they are used, in one place that a start passes over',
    'src/runner/packages/npm.ts': 'the one way to npm, of plugins and of servers',
    'src/runner/packages/server-tools.ts': 'what is loaded with the first verb of `oxbow servers` that needs it, in one piece',
    'src/runner/plugins/plugin-tools.ts': 'what is loaded with the first verb of `oxbow plugin`, in one piece',
    'src/protocol/turn/trace-id.ts': 'ids of traces, which no start of the guest loads',
    'src/protocol/heads/head-schema.ts':
      'record.ts needs its type, and the schemas of views the phases of record.ts: in one file they import each other',
    'src/config/config-plugins.ts': 'the part of the configuration about plugins, as those about servers and agents of others',
    'src/cli/skills/skill-verbs.ts': 'what the help needs of the verbs; what they do is loaded when one is chosen',
    'src/engine/tokens/gpt-tokenizer.d.ts': 'types of the generated file next to it',
    'src/terminal/agent-tree.ts': 'the only code of its module about agents, for the terminal and the page',
    'src/terminal/offer-lines.ts':
      'how programs of others are shown, for the verbs of `connect` and the pages; deeds.ts has what a person does',
    'src/terminal/record-order.ts': 'the only code of its module that looks at events rather than records',
    'src/base/log.ts': 'the port to the logs, by which every program writes',
    'src/base/line-splitter.ts': 'how lines of other programs are read, for the clients of MCP and both sides of ACP',
    'src/tui/outbox.ts': 'the one place that decides when a message is sent again',
    'src/tui/ports.ts': 'the port to the program that opens the full-screen terminal',
    'src/tui/view/highlight-js.d.ts': "the used part of a package whose own types depend on a browser's",
    'src/tools/time-calls.ts': 'the one call of its family',
    'src/gateway/a2a/sdk.ts': 'the port to the SDK of A2A, which bundles it and loads it lazily',
    'src/client/node-client.ts': "Node's socket, apart from the browser's",
    'src/protocol/hands/git-runs.ts': 'one list for hands and the kernel, which hands import without zod',
    'src/memory/lazy-parts.ts': 'the dynamic imports that keep the rest of memory out of a start',
    'src/memory/summary/rolling.ts': 'public API of summaries, loaded with the first one',
    'src/memory/summary/summary-limits.ts': 'limits of summaries',
    'src/memory/text/text-limits.ts': 'limits of the text thread, which loads no other limits',
    'src/base/schema-checker.ts': 'the port to what checks JSON Schemas',
    'src/guest/guest-log.ts': 'what writes the log of a guest, which its start does not load',
    'src/guest/config-check.ts': 'the one program of its process, which opens what a start opens by its configuration',
    'src/runner/upgrade/release-keys.ts': 'who may publish Oxbow, in a file whose history shows each change',
    'src/runner/upgrade/daemon-change.ts': 'how the daemon follows a change of versions, which knows nothing else of it',
    'src/config/config-upgrade.ts': 'the part of the configuration about versions of Oxbow, as those about plugins and servers',
    'src/cli/upgrade/upgrade-verbs.ts': 'what the help needs of the verbs; what they do is loaded when one is chosen',
    'src/runner/signing-key.ts': 'one key for heads, exports, cards and the lock of plugins',
    'src/base/write-whole.ts': 'the only code in types that writes files of a guest whole',
    'src/base/crash-mark.ts': 'the one word between a guest that crashed, its runner and the next guest',
    'src/base/waiting.ts': 'waits of the sandbox, servers of tools, plugins and the gateway, which have nothing else in common',
  },
}
