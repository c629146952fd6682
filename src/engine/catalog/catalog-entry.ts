/** What a catalog says, as models.dev has it: the shapes alone, so that nothing is loaded for them. */

/** Dollars for a million tokens. */
export interface CostRates {
  readonly input: number
  readonly output: number
  /** Reasoning tokens, where they cost other than output. */
  readonly reasoning?: number | undefined
  readonly cache_read?: number | undefined
  readonly cache_write?: number | undefined
}

export interface ModelCost extends CostRates {
  /** Other prices for the whole request when its input is larger than `tier.size`. */
  readonly tiers?: readonly (CostRates & { readonly tier: { readonly type: string; readonly size: number } })[] | undefined
  /** The same in the older form; `tiers` goes before it. */
  readonly context_over_200k?: CostRates | undefined
}

/** A model as models.dev has it. What is not there, nobody has said. */
export interface ModelEntry {
  readonly name?: string | undefined
  readonly reasoning?: boolean | undefined
  readonly tool_call?: boolean | undefined
  readonly temperature?: boolean | undefined
  readonly structured_output?: boolean | undefined
  readonly release_date?: string | undefined
  readonly modalities?: { readonly input?: readonly string[] | undefined; readonly output?: readonly string[] | undefined } | undefined
  readonly limit?: { readonly context?: number | undefined; readonly output?: number | undefined } | undefined
  readonly cost?: ModelCost | undefined
  readonly status?: string | undefined
}

export interface ProviderEntry {
  readonly name?: string | undefined
  /** Names of environment variables, the key's first. */
  readonly env?: readonly string[] | undefined
  /** Base URL, where the provider's own package does not know it. */
  readonly api?: string | undefined
  readonly npm?: string | undefined
}

/** What an overlay says of a model beside models.dev's own keys. */
export interface Capabilities {
  readonly supports_streaming?: true | undefined
  readonly supports_tools?: boolean | undefined
  readonly supports_json_mode?: boolean | undefined
  readonly supports_reasoning_traces?: boolean | undefined
  readonly max_input_tokens?: number | undefined
  readonly max_context_tokens?: number | undefined
  readonly max_output_tokens?: number | undefined
  readonly attachment?: boolean | undefined
  readonly input_modalities?: readonly string[] | undefined
  readonly deprecated?: boolean | undefined
}

export interface OverlayProvider extends ProviderEntry {
  readonly models?: Readonly<Record<string, ModelEntry>> | undefined
}

export interface Overlay {
  readonly providers: Readonly<Record<string, OverlayProvider>>
  readonly capabilities: {
    readonly provider_defaults: Readonly<Record<string, Capabilities>>
    /** By `provider/model`. */
    readonly overrides: Readonly<Record<string, Capabilities>>
  }
}
