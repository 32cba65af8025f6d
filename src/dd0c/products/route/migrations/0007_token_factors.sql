-- What answers that their provider counted taught about the tokens of each model (R-14): sums that
-- gateways only add to, so any number of them learn together. Of no tenant: how many tokens of a
-- vocabulary a model makes of a text says nothing about whose text it was.

SET lock_timeout = '5s';
SET statement_timeout = '60s';

CREATE TABLE route.token_factors (
    provider text NOT NULL,                  -- as prices name it
    model text NOT NULL,                     -- a fine-tuned model under the name of its base
    samples bigint NOT NULL,
    counted bigint NOT NULL,                 -- tokens of the vocabulary
    actual bigint NOT NULL,                  -- tokens that the provider billed
    judged bigint NOT NULL,                  -- samples that were estimated before they were known
    error_sum double precision NOT NULL,     -- of their relative errors, absolute
    error_squares double precision NOT NULL,
    learned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, model)
);

GRANT SELECT, INSERT, UPDATE ON route.token_factors TO dd0c_shipper;
GRANT SELECT ON route.token_factors TO dd0c_app;
