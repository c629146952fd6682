/** What hands do with commands that run to their end. */
export interface CommandOps {
  exec: {
    /** `pass`: by which the egress proxy tells this command from others, where there is a way out. */
    input: { command: string; cwd: string; stdin: string; timeoutMs: number; maxOutputBytes: number; pass?: string }
    output: {
      /** null when a signal ended it. */
      exitCode: number | null
      signal: string | null
      timedOut: boolean
      stdout: string
      stderr: string
      /** Bytes that the command wrote, beyond what is kept here. */
      stdoutBytes: number
      stderrBytes: number
      durationMs: number
    }
  }
}
