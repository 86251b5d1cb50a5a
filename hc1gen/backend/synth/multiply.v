// Multipliers as rows of full adders, without sign extension: a product with a sign bit is subtracted by adding its
// complement, and the constants that this leaves are sums of two powers of two (Baugh and Wooley).
(* techmap_celltype = "$mul" *)
module hc1gen_map_mul(A, B, Y);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    parameter _TECHMAP_CONSTMSK_A_ = 0;
    parameter _TECHMAP_CONSTMSK_B_ = 0;
    parameter _TECHMAP_CONSTVAL_A_ = 0;
    parameter _TECHMAP_CONSTVAL_B_ = 0;
    parameter _TECHMAP_BITS_CONNMAP_ = 1;
    parameter [A_WIDTH*_TECHMAP_BITS_CONNMAP_-1:0] _TECHMAP_CONNMAP_A_ = 0;
    parameter [B_WIDTH*_TECHMAP_BITS_CONNMAP_-1:0] _TECHMAP_CONNMAP_B_ = 0;
    input [A_WIDTH-1:0] A;
    input [B_WIDTH-1:0] B;
    output [Y_WIDTH-1:0] Y;
    // An operand whose sign bit is known to be 0 is unsigned and shorter.
    localparam A_PLUS = A_SIGNED && _TECHMAP_CONSTMSK_A_[A_WIDTH-1] && !_TECHMAP_CONSTVAL_A_[A_WIDTH-1];
    localparam B_PLUS = B_SIGNED && _TECHMAP_CONSTMSK_B_[B_WIDTH-1] && !_TECHMAP_CONSTVAL_B_[B_WIDTH-1];
    localparam N = A_PLUS ? A_WIDTH - 1 : A_WIDTH;
    localparam M = B_PLUS ? B_WIDTH - 1 : B_WIDTH;
    localparam A_MINUS = A_SIGNED && !A_PLUS;
    localparam B_MINUS = B_SIGNED && !B_PLUS;
    localparam SQUARE = A_WIDTH == B_WIDTH && _TECHMAP_CONNMAP_A_ == _TECHMAP_CONNMAP_B_;
    // A constant is a few additions: yosys knows how.
    wire _TECHMAP_FAIL_ = N < 3 || M < 3 || &_TECHMAP_CONSTMSK_A_ || &_TECHMAP_CONSTMSK_B_;
    wire [N+M-1:0] product;
    generate
        if (SQUARE) hc1gen_square #(.N(N), .MINUS(A_MINUS)) square (.a(A[N-1:0]), .y(product));
        else if (N >= M)
            hc1gen_rows #(.N(N), .M(M), .A_MINUS(A_MINUS), .B_MINUS(B_MINUS)) rows (.a(A[N-1:0]), .b(B[M-1:0]), .y(product));
        else
            hc1gen_rows #(.N(M), .M(N), .A_MINUS(B_MINUS), .B_MINUS(A_MINUS)) rows (.a(B[M-1:0]), .b(A[N-1:0]), .y(product));
        if (Y_WIDTH <= N + M) assign Y = product[Y_WIDTH-1:0];
        else assign Y = {{Y_WIDTH-N-M{(A_MINUS || B_MINUS) && !SQUARE ? product[N+M-1] : 1'b0}}, product};
    endgenerate
endmodule

// y = a * b, a row of adders for each bit of b but the first; a minus sign is that of the highest bit.
module hc1gen_rows(a, b, y);
    parameter N = 3;
    parameter M = 3;
    parameter A_MINUS = 0;
    parameter B_MINUS = 0;
    input [N-1:0] a;
    input [M-1:0] b;
    output [N+M-1:0] y;
    genvar i, j;
    generate for (j = 0; j < M; j = j + 1) begin: row
        wire [N-1:0] product;
        wire [N:0] total;
        for (i = 0; i < N; i = i + 1) begin: bit_
            if ((A_MINUS && i == N - 1) != (B_MINUS && j == M - 1)) assign product[i] = ~(a[i] & b[j]);
            else assign product[i] = a[i] & b[j];
        end
        if (j == 0) begin
            assign total[N-2:0] = product[N-2:0];
            if (A_MINUS) assign total[N:N-1] = {product[N-1], ~product[N-1]};  // 1 more at N-1
            else assign total[N:N-1] = {1'b0, product[N-1]};
        end else begin
            wire [N:0] carry;
            assign carry[0] = B_MINUS && j == M - 1;  // 1 more at M-1
            for (i = 0; i < N; i = i + 1) begin: add
                hc1gen_fa full (.a(row[j-1].total[i+1]), .b(product[i]), .c(carry[i]), .s(total[i]), .co(carry[i+1]));
            end
            assign total[N] = carry[N];
        end
        assign y[j] = total[0];
    end endgenerate
    assign y[N+M-2:M] = row[M-1].total[N-1:1];
    assign y[N+M-1] = row[M-1].total[N] ^ (A_MINUS != 0 || B_MINUS != 0);
endmodule

// y = a * a: a[i]*a[j] and a[j]*a[i] are one product of twice the weight, a[i]*a[i] is a[i].
module hc1gen_square(a, y);
    parameter N = 3;
    parameter MINUS = 0;
    input [N-1:0] a;
    output [2*N-1:0] y;
    genvar i, k;
    generate for (i = 0; i < N; i = i + 1) begin: row  // from column 2*i on
        wire [N+1:0] product, total;
        assign product[1:0] = {1'b0, a[i]};
        for (k = 2; k < N + 2; k = k + 1) begin: bit_
            if (MINUS && i == 0 && k == N) assign product[k] = a[0] & a[N-1];  // 1 more at N
            else if (MINUS && i == 0 && k == N + 1) assign product[k] = ~(a[0] & a[N-1]);
            else if (i + k > N) assign product[k] = 1'b0;
            else if (MINUS && i + k == N) assign product[k] = ~(a[i] & a[N-1]);
            else assign product[k] = a[i] & a[i+k-1];
        end
        if (i == 0) assign total = product;
        else begin
            wire [N+2:0] carry;
            assign carry[0] = 1'b0;
            for (k = 0; k < N + 2; k = k + 1) begin: add
                if (k < N) hc1gen_fa full (.a(row[i-1].total[k+2]), .b(product[k]), .c(carry[k]), .s(total[k]), .co(carry[k+1]));
                else hc1gen_fa full (.a(1'b0), .b(product[k]), .c(carry[k]), .s(total[k]), .co(carry[k+1]));
            end
        end
        assign y[2*i+1:2*i] = i == N - 1 && MINUS ? {1'b0, total[0]} : total[1:0];
    end endgenerate
endmodule
