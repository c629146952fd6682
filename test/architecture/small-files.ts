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
    'src/cli/early-guest.ts': 'loaded before all else, so it may bring nothing along',
    'src/cli/kernel/exec.ts': 'the run of a program by `oxbow exec run`, which is loaded when it is chosen',
    'src/hands/commands/kept-memory.ts':
      'the one place that knows what outlives a command outside of files; the check of files and the usage ask it',
    'src/runner/plugins/plugin-tools.ts': 'what is loaded with the first verb of `oxbow plugin`, in one piece',
    'src/protocol/heads/head-schema.ts':
      'record.ts needs its type, and the schemas of views the phases of record.ts: in one file they import each other',
    'src/config/section.ts': 'what a start needs of the sections of services, which loads no zod',
    'src/config/config-plugins.ts': 'the part of the configuration about plugins, as those about servers and agents of others',
    'src/cli/skills/skill-verbs.ts': 'what the help needs of the verbs; what they do is loaded when one is chosen',
    'src/engine/tokens/gpt-tokenizer.d.ts': 'types of the generated file next to it',
    'src/terminal/agent-tree.ts': 'the only code of its module about agents, for the terminal and the page',
    'src/terminal/record-order.ts': 'the only code of its module that looks at events rather than records',
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
    'src/guest/config-check.ts': 'the one program of its process, which opens what a start opens by its configuration',
    'src/runner/signing-key.ts': 'one key for heads, exports, cards and the lock of plugins',
    'src/base/write-whole.ts': 'the only code in types that writes files of a guest whole',
    'src/base/crash-mark.ts': 'the one word between a guest that crashed, its runner and the next guest',
    'src/base/waiting.ts': 'waits of the sandbox, servers of tools, plugins and the gateway, which have nothing else in common',
  },
}
