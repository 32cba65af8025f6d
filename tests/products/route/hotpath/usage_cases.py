"""Usage objects as providers send them, and the buckets worked out by hand from each.

A sum stands in the name of each case that is not a plain copy. `wrong` is the field that cannot be
believed: then nothing is known, not even the rest.
"""

from __future__ import annotations

from typing import NamedTuple

from dd0c.products.route.models import NO_USAGE, Usage


class Case(NamedTuple):
    """What a provider said, and what that is in our buckets."""

    what: str
    said: str
    usage: Usage
    provider: str = ""
    wrong: str = ""


OPENAI = [
    Case(
        "the plain three numbers",
        '{"prompt_tokens":23,"completion_tokens":8,"total_tokens":31}',
        Usage(input=23, output=8),
    ),
    Case("no total", '{"prompt_tokens":23,"completion_tokens":8}', Usage(input=23, output=8)),
    Case(
        "zeros are numbers", '{"prompt_tokens":0,"completion_tokens":0}', Usage(input=0, output=0)
    ),
    Case(
        "all details, all inside: 1200 - 1024, 600 - 512 - 0",
        '{"prompt_tokens":1200,"completion_tokens":600,"total_tokens":1800,'
        '"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},'
        '"completion_tokens_details":{"reasoning_tokens":512,"audio_tokens":0,'
        '"accepted_prediction_tokens":10,"rejected_prediction_tokens":30}}',
        Usage(input=176, cache_read=1024, audio_input=0, output=88, reasoning=512, audio_output=0),
    ),
    Case(
        "audio in and out: 100 - 60, 90 - 70",
        '{"prompt_tokens":100,"completion_tokens":90,"total_tokens":190,'
        '"prompt_tokens_details":{"audio_tokens":60,"text_tokens":40},'
        '"completion_tokens_details":{"audio_tokens":70,"text_tokens":20}}',
        Usage(input=40, audio_input=60, output=20, audio_output=70),
    ),
    Case(
        "images in the prompt: 300 - 256",
        '{"prompt_tokens":300,"completion_tokens":5,"prompt_tokens_details":{"image_tokens":256}}',
        Usage(input=44, image=256, output=5),
    ),
    Case(
        "written to the cache: 2000 - 500 - 1400",
        '{"prompt_tokens":2000,"completion_tokens":5,"total_tokens":2005,'
        '"prompt_tokens_details":{"cached_tokens":500,"cache_write_tokens":1400}}',
        Usage(input=100, cache_read=500, cache_write_5m=1400, output=5),
    ),
    Case(
        "written to the cache in Anthropic's word: 30 - 10 - 5",
        '{"prompt_tokens":30,"completion_tokens":15,"prompt_tokens_details":{"cached_tokens":10,'
        '"cache_creation_input_tokens":5}}',
        Usage(input=15, cache_read=10, cache_write_5m=5, output=15),
    ),
    Case(
        "null details",
        '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,'
        '"prompt_tokens_details":null,"completion_tokens_details":null}',
        Usage(input=10, output=5),
    ),
    Case(
        "null inside details",
        '{"prompt_tokens":12,"completion_tokens":1994,"total_tokens":2006,'
        '"completion_tokens_details":{"reasoning_tokens":1269,"audio_tokens":null}}',
        Usage(input=12, output=725, reasoning=1269),
    ),
    Case(
        "empty details as a list, which PHP makes of an empty object",
        '{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":[]}',
        Usage(input=10, output=5),
    ),
    Case("only a prompt", '{"prompt_tokens":9}', Usage(input=9)),
    Case("only an answer", '{"completion_tokens":9}', Usage(output=9)),
    Case("nothing", "{}", NO_USAGE),
    Case("nothing that we know", '{"characters":10,"cost":0.5}', NO_USAGE),
    Case(
        "whole numbers as 1e3",
        '{"prompt_tokens":1e3,"completion_tokens":5.0}',
        Usage(input=1000, output=5),
    ),
    Case(
        "responses: 40 - 12, 20 - 8",
        '{"input_tokens":40,"output_tokens":20,"total_tokens":60,'
        '"input_tokens_details":{"cached_tokens":12},'
        '"output_tokens_details":{"reasoning_tokens":8}}',
        Usage(input=28, cache_read=12, output=12, reasoning=8),
    ),
    Case(
        "responses, written to the cache for different times: 5000 - 1000 - 3000",
        '{"input_tokens":5000,"output_tokens":20,"total_tokens":5020,'
        '"input_tokens_details":{"cached_tokens":1000,"cache_write_tokens":3000,'
        '"cache_write_tokens_details":{"ttl_30m_tokens":3000,"ttl_12h_tokens":0}},'
        '"output_tokens_details":{"reasoning_tokens":0}}',
        Usage(input=1000, cache_read=1000, cache_write_5m=3000, output=20, reasoning=0),
    ),
    Case(
        "both spellings, agreeing",
        '{"prompt_tokens":7,"input_tokens":7,"completion_tokens":3,"output_tokens":3,'
        '"total_tokens":10}',
        Usage(input=7, output=3),
    ),
    Case(
        "the total says that reasoning lies beside: 32 + 9 + 94",
        '{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,'
        '"prompt_tokens_details":{"text_tokens":32,"audio_tokens":0,"image_tokens":0,'
        '"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94,"audio_tokens":0}}',
        Usage(
            input=26, cache_read=6, audio_input=0, image=0, output=9, reasoning=94, audio_output=0
        ),
    ),
    Case(
        "the total says that reasoning lies beside though it would fit inside: 10 + 50 + 20",
        '{"prompt_tokens":10,"completion_tokens":50,"total_tokens":80,'
        '"completion_tokens_details":{"reasoning_tokens":20}}',
        Usage(input=10, output=50, reasoning=20),
    ),
    Case(
        "the total says that the cached ones lie beside: 10 + 500 + 5",
        '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":515,'
        '"prompt_tokens_details":{"cached_tokens":500}}',
        Usage(input=10, cache_read=500, output=5),
    ),
    Case(
        "the total says that both lie beside: 10 + 500 + 5 + 7",
        '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":522,'
        '"prompt_tokens_details":{"cached_tokens":500},'
        '"completion_tokens_details":{"reasoning_tokens":7}}',
        Usage(input=10, cache_read=500, output=5, reasoning=7),
    ),
]

OPENAI_WRONG = [
    Case("negative", '{"prompt_tokens":-1,"completion_tokens":1}', NO_USAGE, wrong="prompt_tokens"),
    Case(
        "negative detail",
        '{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-2}}',
        NO_USAGE,
        wrong="cached_tokens",
    ),
    Case(
        "fractional",
        '{"prompt_tokens":10.5,"completion_tokens":1}',
        NO_USAGE,
        wrong="prompt_tokens",
    ),
    Case(
        "fractional detail",
        '{"prompt_tokens":9,"completion_tokens":9,'
        '"completion_tokens_details":{"reasoning_tokens":0.1}}',
        NO_USAGE,
        wrong="reasoning_tokens",
    ),
    Case(
        "astronomic",
        '{"prompt_tokens":5,"completion_tokens":99999999999999999999}',
        NO_USAGE,
        wrong="completion_tokens",
    ),
    Case(
        "beyond any model",
        '{"prompt_tokens":1000000001,"completion_tokens":1}',
        NO_USAGE,
        wrong="prompt_tokens",
    ),
    Case("infinite", '{"prompt_tokens":1e400,"completion_tokens":1}', NO_USAGE, wrong="usage"),
    Case("a text", '{"prompt_tokens":"9","completion_tokens":1}', NO_USAGE, wrong="prompt_tokens"),
    Case(
        "a truth", '{"prompt_tokens":true,"completion_tokens":1}', NO_USAGE, wrong="prompt_tokens"
    ),
    Case(
        "an object", '{"prompt_tokens":{},"completion_tokens":1}', NO_USAGE, wrong="prompt_tokens"
    ),
    Case(
        "details that are none",
        '{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":"x"}',
        NO_USAGE,
        wrong="prompt_tokens_details",
    ),
    Case(
        "more cached than sent",
        '{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":6}}',
        NO_USAGE,
        wrong="cached_tokens",
    ),
    Case(
        "more reasoning than output",
        '{"prompt_tokens":5,"completion_tokens":1,'
        '"completion_tokens_details":{"reasoning_tokens":6}}',
        NO_USAGE,
        wrong="reasoning_tokens",
    ),
    Case(
        "a total that no reading gives",
        '{"prompt_tokens":8,"completion_tokens":5,"total_tokens":10}',
        NO_USAGE,
        wrong="total_tokens",
    ),
    Case(
        "a total with tokens that nobody named",
        '{"prompt_tokens":758,"completion_tokens":102,"total_tokens":1725}',
        NO_USAGE,
        wrong="total_tokens",
    ),
    Case(
        "two readings of one total",
        '{"prompt_tokens":30,"completion_tokens":50,"total_tokens":100,'
        '"prompt_tokens_details":{"cached_tokens":20},'
        '"completion_tokens_details":{"reasoning_tokens":20}}',
        NO_USAGE,
        wrong="total_tokens",
    ),
    Case(
        "told twice, differently",
        '{"prompt_tokens":7,"input_tokens":8,"completion_tokens":3}',
        NO_USAGE,
        wrong="input_tokens",
    ),
    Case("a list", "[1]", NO_USAGE, wrong="usage"),
    Case("a number", "7", NO_USAGE, wrong="usage"),
    Case("a text instead", '"none"', NO_USAGE, wrong="usage"),
]

COMPATIBLE = [
    Case(
        "deepseek: hit + miss = prompt, 40 - 30; both words for the cached ones",
        '{"prompt_tokens":40,"completion_tokens":12,"total_tokens":52,'
        '"prompt_tokens_details":{"cached_tokens":30},"prompt_cache_hit_tokens":30,'
        '"prompt_cache_miss_tokens":10}',
        Usage(input=10, cache_read=30, output=12),
        provider="deepseek",
    ),
    Case(
        "deepseek's own words alone, reasoning inside: 10 of 40 missed, 200 - 150",
        '{"prompt_tokens":40,"completion_tokens":200,"total_tokens":240,'
        '"prompt_cache_hit_tokens":30,"prompt_cache_miss_tokens":10,'
        '"completion_tokens_details":{"reasoning_tokens":150}}',
        Usage(input=10, cache_read=30, output=50, reasoning=150),
        provider="deepseek",
    ),
    Case(
        "deepseek: hit and miss that are not the prompt",
        '{"prompt_tokens":40,"completion_tokens":12,"prompt_cache_hit_tokens":30,'
        '"prompt_cache_miss_tokens":11}',
        NO_USAGE,
        provider="deepseek",
        wrong="prompt_cache_miss_tokens",
    ),
    Case(
        "groq: times beside tokens",
        '{"queue_time":0.037,"prompt_tokens":18,"prompt_time":0.0007,"completion_tokens":556,'
        '"completion_time":0.46,"total_tokens":574,"total_time":0.464,'
        '"prompt_tokens_details":{"cached_tokens":8}}',
        Usage(input=10, cache_read=8, output=556),
        provider="groq",
    ),
    Case(
        "mistral: a null for audio seconds, cached ones under a third word",
        '{"prompt_tokens":20,"completion_tokens":4,"total_tokens":24,"prompt_audio_seconds":null,'
        '"num_cached_tokens":16}',
        Usage(input=4, cache_read=16, output=4),
        provider="mistral",
    ),
    Case(
        "xai: reasoning beside, no total to say so",
        '{"prompt_tokens":12,"completion_tokens":1,'
        '"completion_tokens_details":{"reasoning_tokens":386}}',
        Usage(input=12, output=1, reasoning=386),
        provider="x-ai",
    ),
    Case(
        "xai: 10120 - 128, the total is 10120 + 1499 + 2809; its price and sources are no tokens",
        '{"prompt_tokens":10120,"completion_tokens":1499,"total_tokens":14428,'
        '"prompt_tokens_details":{"cached_tokens":128},'
        '"completion_tokens_details":{"reasoning_tokens":2809},"cost_in_usd_ticks":232856000,'
        '"num_sources_used":0}',
        Usage(input=9992, cache_read=128, output=1499, reasoning=2809, server_tools=0),
        provider="x-ai",
    ),
    Case(
        "xai responses: reasoning inside, as the total says: 199 + 300",
        '{"input_tokens":199,"output_tokens":300,"total_tokens":499,'
        '"input_tokens_details":{"cached_tokens":163},'
        '"output_tokens_details":{"reasoning_tokens":290}}',
        Usage(input=36, cache_read=163, output=10, reasoning=290),
        provider="x-ai",
    ),
    Case(
        "google: thinking is only in the total, 1725 - 758 - 102",
        '{"completion_tokens":102,"prompt_tokens":758,"total_tokens":1725}',
        Usage(input=758, output=102, reasoning=865),
        provider="google",
    ),
    Case(
        "google without thinking",
        '{"completion_tokens":2,"prompt_tokens":7,"total_tokens":9}',
        Usage(input=7, output=2),
        provider="google",
    ),
    Case(
        "perplexity: the price and the size of the search are no tokens",
        '{"prompt_tokens":14,"completion_tokens":70,"total_tokens":84,'
        '"search_context_size":"low","citation_tokens":null,"num_search_queries":null,'
        '"reasoning_tokens":null,"cost":{"input_tokens_cost":0.0,"output_tokens_cost":0.001,'
        '"request_cost":0.006,"total_cost":0.007}}',
        Usage(input=14, output=70),
        provider="perplexity",
    ),
    Case(
        "perplexity: reasoning beside, and the total (33 + 7163) does not have it; 28 searches",
        '{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,'
        '"num_search_queries":28,"reasoning_tokens":193834}',
        Usage(input=33, output=7163, reasoning=193834, server_tools=28),
        provider="perplexity",
    ),
    Case(
        "perplexity: citations are charged, and there is no bucket for them",
        '{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,'
        '"citation_tokens":20016,"num_search_queries":28,"reasoning_tokens":193834}',
        NO_USAGE,
        provider="perplexity",
        wrong="citation_tokens",
    ),
    Case(
        "openrouter: its price is no token; 194 - 0 - 100",
        '{"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":0},"cost":0.95,'
        '"is_byok":false,"cost_details":{"upstream_inference_cost":19},"prompt_tokens":194,'
        '"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":100,"audio_tokens":0,'
        '"video_tokens":0},"total_tokens":196}',
        Usage(input=94, cache_read=0, cache_write_5m=100, audio_input=0, output=2, reasoning=0),
        provider="openrouter",
    ),
    Case(
        "together: cached ones at the top",
        '{"prompt_tokens":100,"completion_tokens":9,"total_tokens":109,"cached_tokens":64}',
        Usage(input=36, cache_read=64, output=9),
        provider="together",
    ),
    Case(
        "fireworks",
        '{"prompt_tokens":13,"total_tokens":40,"completion_tokens":27,'
        '"prompt_tokens_details":{"cached_tokens":0}}',
        Usage(input=13, cache_read=0, output=27),
        provider="fireworks",
    ),
    Case(
        "vllm: null where nothing was cached",
        '{"prompt_tokens":13,"total_tokens":40,"completion_tokens":27,'
        '"prompt_tokens_details":null}',
        Usage(input=13, output=27),
    ),
]

EMBEDDINGS = [
    Case("an embedding", '{"prompt_tokens":8,"total_tokens":8}', Usage(input=8)),
    Case("a total alone, as Voyage says it", '{"total_tokens":8}', Usage(input=8)),
    Case(
        "an embedding with a completion of nothing",
        '{"prompt_tokens":8,"completion_tokens":0,"total_tokens":8,"prompt_tokens_details":null}',
        Usage(input=8),
    ),
    Case("another total", '{"prompt_tokens":8,"total_tokens":9}', NO_USAGE, wrong="total_tokens"),
    Case("negative", '{"prompt_tokens":-8,"total_tokens":-8}', NO_USAGE, wrong="prompt_tokens"),
]

ANTHROPIC = [
    Case("plain", '{"input_tokens":10,"output_tokens":8}', Usage(input=10, output=8)),
    Case(
        "the input has neither what was read from nor what was written to the cache",
        '{"input_tokens":50,"output_tokens":30,"cache_creation_input_tokens":100,'
        '"cache_read_input_tokens":200}',
        Usage(input=50, cache_read=200, cache_write_5m=100, output=30),
    ),
    Case(
        "writes by their life, searches; what is fetched costs nothing",
        '{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":9,'
        '"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":5},'
        '"cache_read_input_tokens":0,"server_tool_use":{"web_search_requests":3,'
        '"web_fetch_requests":2},"service_tier":"standard","inference_geo":"not_available"}',
        Usage(input=1, cache_read=0, cache_write_5m=4, cache_write_1h=5, output=2, server_tools=3),
    ),
    Case(
        "thinking inside: 500 - 380",
        '{"input_tokens":1,"output_tokens":500,"output_tokens_details":{"thinking_tokens":380}}',
        Usage(input=1, output=120, reasoning=380),
    ),
    Case(
        "nulls",
        '{"input_tokens":1,"output_tokens":null,"cache_creation":null,"server_tool_use":null}',
        Usage(input=1),
    ),
    Case("negative", '{"input_tokens":1,"output_tokens":-2}', NO_USAGE, wrong="output_tokens"),
    Case("fractional", '{"input_tokens":1.5,"output_tokens":2}', NO_USAGE, wrong="input_tokens"),
    Case(
        "more thinking than output",
        '{"input_tokens":1,"output_tokens":5,"output_tokens_details":{"thinking_tokens":6}}',
        NO_USAGE,
        wrong="thinking_tokens",
    ),
    Case(
        "parts of what was written that are not the whole",
        '{"input_tokens":1,"output_tokens":2,"cache_creation_input_tokens":9,'
        '"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":4}}',
        NO_USAGE,
        wrong="cache_creation_input_tokens",
    ),
]

GEMINI = [
    Case(
        "plain",
        '{"promptTokenCount":7,"candidatesTokenCount":2,"totalTokenCount":9,'
        '"promptTokensDetails":[{"modality":"TEXT","tokenCount":7}],'
        '"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":2}],'
        '"trafficType":"ON_DEMAND"}',
        Usage(input=7, output=2),
    ),
    Case(
        "thoughts beside: 8 + 1 + 98",
        '{"promptTokenCount":8,"candidatesTokenCount":1,"totalTokenCount":107,'
        '"thoughtsTokenCount":98}',
        Usage(input=8, output=1, reasoning=98),
    ),
    Case(
        "thoughts beside, no total",
        '{"promptTokenCount":8,"candidatesTokenCount":100,"thoughtsTokenCount":98}',
        Usage(input=8, output=100, reasoning=98),
    ),
    Case(
        "thoughts inside, as the total says: 8 + 100",
        '{"promptTokenCount":8,"candidatesTokenCount":100,"totalTokenCount":108,'
        '"thoughtsTokenCount":98}',
        Usage(input=8, output=2, reasoning=98),
    ),
    Case(
        "what tools fed back is input beside the prompt: 151 + 18329; 151 + 18329 + 1089 + 1120",
        '{"promptTokenCount":151,"candidatesTokenCount":1089,"totalTokenCount":20689,'
        '"toolUsePromptTokenCount":18329,"thoughtsTokenCount":1120,'
        '"toolUsePromptTokensDetails":[{"modality":"TEXT","tokenCount":18329}]}',
        Usage(input=18480, output=1089, reasoning=1120),
    ),
    Case(
        "cached ones inside the prompt: 1000 - 800",
        '{"promptTokenCount":1000,"cachedContentTokenCount":800,"candidatesTokenCount":20,'
        '"totalTokenCount":1020,"cacheTokensDetails":[{"modality":"TEXT","tokenCount":800}]}',
        Usage(input=200, cache_read=800, output=20),
    ),
    Case(
        "kinds of input: 700 - 320 - 258, video is none of our buckets",
        '{"promptTokenCount":700,"candidatesTokenCount":20,"totalTokenCount":720,'
        '"promptTokensDetails":[{"modality":"AUDIO","tokenCount":320},{"modality":"IMAGE",'
        '"tokenCount":258},{"modality":"VIDEO","tokenCount":100},{"modality":"TEXT",'
        '"tokenCount":22}]}',
        Usage(input=122, audio_input=320, image=258, output=20),
    ),
    Case(
        "speech as answer: 90 - 80",
        '{"promptTokenCount":7,"candidatesTokenCount":90,"totalTokenCount":97,'
        '"candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":80}]}',
        Usage(input=7, output=10, audio_output=80),
    ),
    Case(
        "nothing generated: a blocked prompt",
        '{"promptTokenCount":7,"totalTokenCount":7}',
        Usage(input=7),
    ),
    Case(
        "more cached than sent",
        '{"promptTokenCount":7,"cachedContentTokenCount":8,"candidatesTokenCount":1}',
        NO_USAGE,
        wrong="cachedContentTokenCount",
    ),
    Case(
        "a total of nothing here",
        '{"promptTokenCount":7,"candidatesTokenCount":1,"totalTokenCount":80}',
        NO_USAGE,
        wrong="totalTokenCount",
    ),
    Case(
        "an image as answer, which costs more than text",
        '{"promptTokenCount":7,"candidatesTokenCount":1300,'
        '"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}',
        NO_USAGE,
        wrong="candidatesTokensDetails",
    ),
    Case(
        "cached speech, which costs more than cached text",
        '{"promptTokenCount":700,"cachedContentTokenCount":80,"candidatesTokenCount":1,'
        '"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":80}]}',
        NO_USAGE,
        wrong="cacheTokensDetails",
    ),
    Case(
        "negative detail",
        '{"promptTokenCount":7,"candidatesTokenCount":1,'
        '"promptTokensDetails":[{"modality":"AUDIO","tokenCount":-1}]}',
        NO_USAGE,
        wrong="promptTokensDetails",
    ),
]

BEDROCK = [
    Case(
        "plain, from the corpus",
        '{"inputTokens":13,"outputTokens":5,"serverToolUsage":{},"totalTokens":18}',
        Usage(input=13, output=5),
    ),
    Case(
        "the input has no cached ones: 18 + 7502 + 503 = 8023",
        '{"cacheReadInputTokenCount":7502,"cacheReadInputTokens":7502,'
        '"cacheWriteInputTokenCount":0,"cacheWriteInputTokens":0,"inputTokens":18,'
        '"outputTokens":503,"totalTokens":8023}',
        Usage(input=18, cache_read=7502, cache_write_5m=0, output=503),
    ),
    Case(
        "writes by their life: 1h 2000, 5m 5502",
        '{"cacheDetails":[{"inputTokens":2000,"ttl":"1h"},{"inputTokens":5502,"ttl":"5m"}],'
        '"cacheReadInputTokens":0,"cacheWriteInputTokens":7502,"inputTokens":18,'
        '"outputTokens":386,"totalTokens":7906}',
        Usage(input=18, cache_read=0, cache_write_5m=5502, cache_write_1h=2000, output=386),
    ),
    Case(
        "the total says that the cached ones lie inside: 100 + 5, 100 - 80",
        '{"inputTokens":100,"cacheReadInputTokens":80,"outputTokens":5,"totalTokens":105}',
        Usage(input=20, cache_read=80, output=5),
    ),
    Case(
        "metrics of InvokeModel at the end of a stream",
        '{"inputTokenCount":18,"outputTokenCount":503,"invocationLatency":7000,'
        '"firstByteLatency":500,"cacheReadInputTokenCount":7502,"cacheWriteInputTokenCount":12}',
        Usage(input=18, cache_read=7502, cache_write_5m=12, output=503),
    ),
    Case(
        "lives that are not the whole",
        '{"cacheDetails":[{"inputTokens":2000,"ttl":"1h"}],"cacheWriteInputTokens":7502,'
        '"inputTokens":18,"outputTokens":386}',
        NO_USAGE,
        wrong="cacheWriteInputTokens",
    ),
    Case("astronomic", '{"inputTokens":1e30,"outputTokens":5}', NO_USAGE, wrong="inputTokens"),
]

FORMS = {
    "openai": OPENAI + OPENAI_WRONG + COMPATIBLE,
    "embeddings": EMBEDDINGS,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "bedrock": BEDROCK,
}
